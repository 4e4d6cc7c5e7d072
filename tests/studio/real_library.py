"""An engine that has a library and nothing else, for windows whose models do not matter."""


class RealLibrary:
    """An engine of a library alone."""

    def __init__(self, library, **_):
        self.library = library

    def subscribe(self, callback):
        return lambda: None

    def descriptions(self):
        return []

    def queue(self):
        return []

    def live(self):
        return []

    async def start(self):
        pass

    async def warm_up(self):
        pass

    async def devices(self):
        return []

    async def described(self):
        return []

    async def close(self):
        pass
