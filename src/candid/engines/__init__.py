"""Where photos are worked on: in threads of this process, or by workers of a Ray cluster.

Every photo that goes in comes out as one `Row`, in the same order, whatever failed on the way.
"""

from candid.engines.engine import LOCAL, Engine, Local, Row, open_engine, require_engine

__all__ = ["LOCAL", "Engine", "Local", "Row", "open_engine", "require_engine"]
