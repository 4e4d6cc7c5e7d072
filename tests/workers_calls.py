"""Calls as the answers of a worker see them, for tests of answers without a process."""

from small_families import FAMILIES

from models_backend.workers.answers import Answers, LoadedRuns


class Heard:
    """A call as answers see it."""

    def __init__(self, request):
        self.request, self.told, self.value, self.trouble = request, [], None, None

    def cancelled(self):
        return False

    def tell(self, body):
        self.told.append(body)

    def reply(self, value):
        self.value = value

    def fail(self, trouble, stale):
        self.trouble = trouble

    def abandon(self):
        raise AssertionError("nothing was cancelled")


def answers(library):
    loaded = LoadedRuns(library, lambda: FAMILIES, "cpu")
    return Answers(library, lambda: FAMILIES, loaded.get, "cpu")
