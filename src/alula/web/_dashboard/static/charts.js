// Charts by uPlot, of what an element says of itself:
//   <div class="chart" data-chart='{"x": [0, 1], "series": [{"label": "loss", "values": [0.9, null]}],
//        "x_label": "step", "y_label": "loss", "time": false, "log": false}'></div>
// "time" says that x is in UNIX seconds, "log" that the y axis is logarithmic. Colours are --chart-1 to --chart-8.
(() => {
  "use strict";

  const HEIGHT = 240;
  const dashes = [[], [6, 3], [2, 3], [8, 3, 2, 3]];  // lines differ by more than their colour
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  const clock = (plot, moments) => moments.map((each) =>
    new Date(each * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false }));

  const options = (facts, width) => {
    const axis = (label) => ({
      label, labelSize: 22, stroke: colour("--dim"), grid: { stroke: colour("--line"), width: 1 },
      ticks: { stroke: colour("--line"), width: 1 }, font: "12px system-ui", labelFont: "12px system-ui",
    });
    return {
      width, height: HEIGHT,
      scales: { x: { time: Boolean(facts.time) }, y: { distr: facts.log ? 3 : 1 } },
      axes: [{ ...axis(facts.x_label || ""), ...(facts.time ? { values: clock, space: 90 } : {}) }, { ...axis(facts.y_label || ""), size: 64 }],
      series: [{ label: facts.x_label || "x" }, ...facts.series.map((each, i) => ({
        label: each.label, stroke: colour(`--chart-${(i % 8) + 1}`), width: 1.6, dash: dashes[Math.floor(i / 8) % 4],
        spanGaps: true, points: { show: each.values.length < 40, size: 5 },
      }))],
      legend: { show: facts.series.length > 1, live: true },
      cursor: { points: { size: 7 } },
    };
  };

  const draw = (element) => {
    const facts = JSON.parse(element.dataset.chart);
    if (element.chart) element.chart.destroy();
    element.replaceChildren();
    element.dataset.drawn = element.dataset.chart;
    element.chart = new uPlot(options(facts, element.clientWidth), [facts.x, ...facts.series.map((s) => s.values)], element);
  };

  const sized = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      if (target.chart && target.chart.width !== target.clientWidth) target.chart.setSize({ width: target.clientWidth, height: HEIGHT });
    }
  });

  window.alulaCharts = (within) => {
    for (const element of within.querySelectorAll("[data-chart]")) {
      if (element.dataset.drawn !== element.dataset.chart) draw(element);
      sized.observe(element);
    }
  };
  document.addEventListener("alula:theme", () => document.querySelectorAll("[data-chart]").forEach(draw));
})();
