"""Write: finished records become a dataset folder, and the folder is published in one switch."""

from pipeline.write.counts import PartCounts, total
from pipeline.write.dataset import Input, finish, write_part
from pipeline.write.publish import check_output, lock, staging, switch

__all__ = ["Input", "PartCounts", "check_output", "finish", "lock", "staging", "switch", "total", "write_part"]
