"""Images are prepared by tasks, batched by a router, and classified by a model that stays loaded."""

import asyncio

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

import alula

IMAGES, DIGITS = load_digits(return_X_y=True)
BATCH, PATIENCE = 16, 0.005  # s that the first of a batch waits for others

preprocess = alula.remote(lambda image: image / 16.0)


class _Model:
    def __init__(self, train: int) -> None:
        self.model = LogisticRegression(max_iter=200).fit(IMAGES[:train] / 16.0, DIGITS[:train])

    def predict(self, images: list[alula.ObjectRef[np.ndarray]]) -> list[int]:
        return self.model.predict(np.stack(alula.get(images))).tolist()


class _Router:
    def __init__(self, model: object) -> None:
        self.model, self.waiting, self.sizes = model, [], []

    async def classify(self, image: list[alula.ObjectRef[np.ndarray]]) -> int:
        loop, answer = asyncio.get_running_loop(), asyncio.Future()
        self.waiting.append((image[0], answer))
        if len(self.waiting) == 1:
            loop.call_later(PATIENCE, self.flush)
        return await answer

    def flush(self) -> None:
        while self.waiting:
            batch, self.waiting = self.waiting[:BATCH], self.waiting[BATCH:]
            self.sizes.append(len(batch))
            self.task = asyncio.ensure_future(self.answer(batch))

    async def answer(self, batch: list[tuple]) -> None:
        digits = await self.model.predict.remote([image for image, _ in batch])
        for (_, answer), digit in zip(batch, digits, strict=True):
            answer.set_result(digit)

    def batches(self) -> list[int]:
        return self.sizes


if __name__ == "__main__":
    alula.init(num_cpus=2)
    router = alula.remote(_Router).options(max_concurrency=200).remote(alula.remote(_Model).remote(1500))
    found = alula.get([router.classify.remote([preprocess.remote(image)]) for image in IMAGES[1500:1660]])
    print(
        f"{np.mean(found == DIGITS[1500:1660]):.0%} right, in batches of {alula.get(router.batches.remote())}"
    )
    alula.shutdown()
