"""Data."""
from .workspace import Workspace
from ..pieces import EmptyState
class DataPanel(Workspace):
    key, title, icon_name = "data", "Data", "data"
    def __init__(self, session):
        super().__init__(session)
        self.set_central(EmptyState("drop","Drop pictures here","A folder, files, an archive or a table. The originals are only read.","Import…"))
