"""The Python library `eventsourcing`, told by a pipe what to do and answering with seconds and a count.

    python school.py FILE_OR_POSTGRES_URL
"""

import sys
import threading
import time
from urllib.parse import urlparse
from uuid import NAMESPACE_URL, uuid4, uuid5

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import Tracking

PAGE = 1000


class Dog(Aggregate):
    @event("Registered")
    def __init__(self, name: str):
        self.name = name
        self.tricks: list[str] = []

    @staticmethod
    def create_id(name: str):
        return uuid5(NAMESPACE_URL, name)

    @event("TrickAdded")
    def add_trick(self, trick: str) -> None:
        self.tricks.append(trick)


class School(Application):
    def register(self, name: str, tricks: int) -> None:
        dog = Dog(name=name)
        for number in range(tricks):
            dog.add_trick(f"trick number {number}")
        self.save(dog)

    def add_trick(self, name: str, trick: str) -> None:
        dog = self.repository.get(Dog.create_id(name))
        dog.add_trick(trick)
        self.save(dog)

    def tricks(self, name: str) -> int:
        return len(self.repository.get(Dog.create_id(name)).tricks)


def environment(store: str) -> dict[str, str]:
    if not store.startswith("postgres"):
        return {"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": store}
    url = urlparse(store)
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": url.path.lstrip("/"),
        "POSTGRES_HOST": url.hostname,
        "POSTGRES_PORT": str(url.port),
        "POSTGRES_USER": url.username,
        "POSTGRES_PASSWORD": "none",
        "POSTGRES_POOL_SIZE": "8",
        "POSTGRES_MAX_OVERFLOW": "24",
        "POSTGRES_MAX_WAITING": "100",
        # Inserts in one round trip, which its own default is not.
        "POSTGRES_ENABLE_DB_FUNCTIONS": "yes",
    }


def durability(school: School) -> str:
    datastore = school.factory.datastore
    if hasattr(datastore, "pool") and "sqlite" in type(datastore).__module__:
        with datastore.transaction(commit=False) as cursor:
            cursor.execute("PRAGMA journal_mode")
            journal = cursor.fetchone()[0]
            cursor.execute("PRAGMA synchronous")
            return f"{journal}, synchronous={cursor.fetchone()[0]}"
    with datastore.transaction(commit=False) as cursor:
        cursor.execute("SELECT current_setting('fsync') AS f, current_setting('synchronous_commit') AS s")
        row = cursor.fetchone()
        return f"fsync {row['f']}, synchronous_commit {row['s']}"


def names(count: int) -> list[str]:
    return [str(uuid4()) for _ in range(count)]


def in_threads(parts, work) -> float:
    """Lets each client do its part on a thread of its own, and says how long all took."""
    failed = []

    def guarded(part):
        try:
            work(part)
        except BaseException as error:
            failed.append(error)
            raise

    threads = [threading.Thread(target=guarded, args=(part,)) for part in parts]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken = time.perf_counter() - start
    if failed:
        raise failed[0]
    return taken


class Turns:
    def __init__(self, store: str):
        self.school = School(environment(store))
        self.tracking = self.school.factory.tracking_recorder()
        self.known: list[str] = []
        self.followers = 0

    def nothing(self) -> tuple[float, int]:
        return 0.0, 0

    def make(self, dogs: int, events: int) -> tuple[float, int]:
        self.known = names(dogs)
        for name in self.known:
            self.school.register(name, events - 1)
        return 0.0, dogs

    def append(self, clients: int, each: int, events: int) -> tuple[float, int]:
        parts = [names(each) for _ in range(clients)]

        def work(part):
            for name in part:
                self.school.register(name, events - 1)

        taken = in_threads(parts, work)
        return taken, sum(1 + self.school.tricks(part[-1]) for part in parts)

    def load(self, loads: int) -> tuple[float, int]:
        order = [self.known[number % len(self.known)] for number in range(loads)]
        start = time.perf_counter()
        seen = sum(self.school.tricks(name) for name in order)
        return time.perf_counter() - start, seen

    def command(self, clients: int, each: int, known: int) -> tuple[float, int]:
        parts = [names(each) for _ in range(clients)]
        for part in parts:
            for name in part:
                self.school.register(name, known - 1)

        def work(part):
            for name in part:
                self.school.add_trick(name, f"trick number {known}")

        taken = in_threads(parts, work)
        return taken, sum(self.school.tricks(part[-1]) for part in parts)

    def follow(self) -> tuple[float, int]:
        """A page of the log at a time, and a checkpoint after each; how many letters the tricks have."""
        self.followers += 1
        follower = f"follower {self.followers}"
        start = time.perf_counter()
        letters = 0
        after = 0
        while True:
            page = self.school.recorder.select_notifications(start=after + 1, limit=PAGE)
            if not page:
                break
            for notification in page:
                happened = self.school.mapper.to_domain_event(notification)
                if isinstance(happened, Dog.TrickAdded):
                    letters += len(happened.trick)
            after = page[-1].id
            self.tracking.insert_tracking(Tracking(follower, after))
        return time.perf_counter() - start, letters


def main() -> None:
    turns = Turns(sys.argv[1])
    print(durability(turns.school), flush=True)
    for line in sys.stdin:
        order, *figures = line.split()
        seconds, seen = getattr(turns, order)(*map(int, figures))
        print(f"{seconds:.9f} {seen}", flush=True)


if __name__ == "__main__":
    main()
