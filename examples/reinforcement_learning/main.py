"""A cart learns to balance a pole: rollouts in parallel, and a learner that keeps the policy."""

import numpy as np

import alula

ROUNDS, ROLLOUTS, STEPS = 12, 16, 300


def move(state: np.ndarray, push: float) -> np.ndarray:
    """The classic cart and pole, 20 ms later."""
    _, v, angle, spin = state
    force = (push + 0.05 * spin**2 * np.sin(angle)) / 1.1
    bend = (9.8 * np.sin(angle) - np.cos(angle) * force) / (0.5 * (4 / 3 - 0.1 * np.cos(angle) ** 2 / 1.1))
    return state + 0.02 * np.array([v, force - 0.05 * bend * np.cos(angle) / 1.1, spin, bend])


@alula.remote
def rollout(weights: np.ndarray, seed: int) -> tuple[np.ndarray, int]:
    """Try a policy near the given one: which it was, and for how long it kept the pole up."""
    random = np.random.default_rng(seed)
    tried = weights + random.normal(size=4)
    state = random.uniform(-0.05, 0.05, size=4)
    for step in range(STEPS):
        if abs(state[0]) > 2.4 or abs(state[2]) > 0.21:
            return tried, step
        state = move(state, 10.0 if state @ tried > 0 else -10.0)
    return tried, STEPS


class _Learner:
    def __init__(self) -> None:
        self.weights = np.zeros(4)

    def policy(self) -> np.ndarray:
        return self.weights

    def learn(self, *rollouts: tuple[np.ndarray, int]) -> float:
        best = sorted(rollouts, key=lambda rollout: rollout[1])[-ROLLOUTS // 4 :]
        self.weights = np.mean([tried for tried, _ in best], axis=0)
        return float(np.mean([score for _, score in rollouts]))


if __name__ == "__main__":
    alula.init(num_cpus=2)
    learner = alula.remote(_Learner).remote()
    scores = []
    for start in range(0, ROUNDS * ROLLOUTS, ROLLOUTS):
        policy = learner.policy.remote()  # never comes here: rollouts and learner pass it on by reference
        scores.append(learner.learn.remote(*[rollout.remote(policy, start + i) for i in range(ROLLOUTS)]))
    print("mean steps of each round:", *[f"{score:.0f}" for score in alula.get(scores)])
    assert alula.get(scores[-1]) > 3 * alula.get(scores[0])
    alula.shutdown()
