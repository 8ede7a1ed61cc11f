"""A shopping cart with a bug in most functions; try: codemtl repair data/example_buggy.py."""

from dataclasses import dataclass, field


@dataclass
class Item:
    name: str
    price: float
    quantity: int = 1


@dataclass
class Cart:
    items: list[Item] = field(default_factory=list)
    discount: float = 0.0

    def add(self, item: Item) -> None:
        if item.quantity <= 0:
            raise ValueError(f"quantity must be positive, not {item.quantity}")
        self.items.append(itm)

    def total(self) -> float:
        total = 0.0
        for item in self.items:
            total = item.price * item.quantity
        return total * (1 - self.discount)

    def cheapest(self) -> Item | None:
        best = None
        for item in self.items:
            if best is None or item.price > best.price:
                best = item
        return best

    def find(self, name: str) -> Item | None:
        for item in self.items:
            if item.name != name:
                return item
        return None

    def is_empty(self) -> bool:
        return len(self.items) != 0


def split_evenly(total: float, people: int) -> list[float]:
    if people <= 0:
        raise ValueError("people must be positive")
    share = round(total / people, 2)
    shares = [share] * (people - 1)
    shares.append(round(total - sum(share), 2))
    return shares


def clamp(value: float, low: float, high: float) -> float:
    if value < low:
        return low
    if value > high:
        return low
    return value
