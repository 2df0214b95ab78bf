"""The tables that every lake has, whatever kinds of machines it knows."""

from features.enterprise.schema import ENTERPRISE_TABLES, PUBLISHED_TABLES
from features.schema import FIXED, MACHINE_SCORES, PEER_GROUP, TableContract

STANDARD: dict[str, TableContract] = {**FIXED, **ENTERPRISE_TABLES, **PUBLISHED_TABLES}


def own(contract: TableContract) -> bool:
    """Whether Forewarn alone writes this table: scores, and what is published of many entities together."""
    return contract.name in {MACHINE_SCORES.name, *PUBLISHED_TABLES} or contract.entity == PEER_GROUP
