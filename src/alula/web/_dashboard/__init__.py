"""The dashboard: pages on which people see what runs, what failed and why, and what it produced.

It asks the public functions of the layers to the left, and shows what they give. Pages are made on the
server; htmx keeps them live; without JavaScript they are plain pages with links and forms.

How a page is written
---------------------
A page is a module here and a template of the same name in ``templates``. The module has a ``router`` and
a ``TAB``, its entry of the navigation; `_sections` lists it. `_now` is the example to follow.

**Handlers** are plain functions, which run in a thread::

    @router.get("/things")
    def things(view: Viewer) -> Response:
        view.permit_some("thing", "list")
        return view.page("things.html", tab=TAB.key, things=..., now=time.time())

    @router.post("/thing/{name:path}/mend")
    def mend(view: Poster, name: str) -> Response:
        view.permit("thing", name, "mend")
        with view.doing():
            things.mend(name, how=view.form.get("how", ""))
        return view.back(address("thing", name), f"{name} is mended")

- Every handler asks `View.permit` or `View.permit_some` first, in the words of ``_access.ACTIONS``; a new
  resource or action is added there. A template shows a button only ``{% if view.may("thing", name,
  "mend") %}``: that is how ``--read-only`` and the rules of a token take buttons away.
- What an action refuses is raised, and becomes an error page with its status: ``with view.doing():``
  around the call. What it has done is said with `View.back`, as a line at the top of the page that it
  leads to.
- A page costs the same however much there is: ask for a page of a list by index, never for all of it, and
  let the address hold all that was asked for (``?after=``, ``?status=``), so that it can be sent to
  somebody.
- ``view.om()`` is the instance in the bucket that the visitor has chosen.

**Templates** begin with ``{% extends "base.html" %}`` and fill ``title`` and ``main``; in ``main`` stand
one ``<h1>`` and ``<h2>`` below it. ``{% import "parts.html" as parts with context %}`` brings the macros:

- ``parts.table(caption, columns)`` with ``{% call %}`` around the rows: a table in a box that scrolls by
  itself. A column is a text, or ``("text", "num")`` to stand at the right, or ``("text", "hidden")``
  where only screen readers read it.
- ``parts.state(word)``, ``parts.when(seconds)``, ``parts.id(text, href)``, ``parts.copy(text)``,
  ``parts.empty(title, command)``, ``parts.pages(newer, older)``, ``parts.facts(pairs)``,
  ``parts.button(action, label)`` (a form with its CSRF token; ``fields=``, ``kind="danger"``,
  ``confirm=``), ``parts.csrf()`` for forms of one's own, ``parts.meter(label, part, whole)``,
  ``parts.tabs(entries, chosen)``, ``parts.preview(preview)`` for what `_previews.preview_of` makes of a
  value.
- ``parts.live(topics)`` with ``{% call %}`` around what is to be fetched anew when there is news:
  ``workflows``, ``workflow/<id>``, ``tick`` (every few seconds). At most one on a page. Ids inside it
  keep focus and open ``<details>``.
- A chart is ``<div class="chart" data-chart='{{ facts | tojson }}'>``, see ``static/charts.js``; beside
  it stands the table that says the same. Filters: ``ago count exact percent shortened size took tone``;
  functions: ``address(*parts, **query)``, ``static(name)``.

**No inline script or style**: the content-security policy forbids both. Styles stand in
``static/app.css``, made of the tokens at its top, behaviour in ``static/app.js`` behind ``data-``
attributes. A status is told by its word, not by its colour alone. A picture from ``workflow.draw`` and
its like goes through `_pictures.inline`, which leaves its style to ``app.css``.
"""

from ._board import make_dashboard

__all__ = ["make_dashboard"]
