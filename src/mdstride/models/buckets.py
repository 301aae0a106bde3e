"""Batches of molecules of like size: attention over all pairs of tokens pays dearly for padding."""

from collections.abc import Sequence


def buckets(sizes: Sequence[int], *, most: int, padding: float) -> list[list[int]]:
    """The molecules 0, 1, ... in groups to be forecast together, small ones first.

    A group of n molecules has n x (its largest size) <= `most` atoms, unless it is a single molecule, and its largest
    is at most 1 + `padding` times its smallest. On a CPU `most` = 200 and `padding` = 1/3 are a good choice: for sizes
    from 3 to 24, groups without any padding are so small that a step takes 1.3 times as long; groups of equal sizes
    were alike, within 10 %, from 100 to 400 atoms. A GPU wants few and large ones. Gradients of the groups add up to
    that of the batch.
    """
    groups: list[list[int]] = []
    for row in sorted(range(len(sizes)), key=lambda row: sizes[row]):
        group = groups[-1] if groups else []
        if group and sizes[row] <= (1 + padding) * sizes[group[0]] and (len(group) + 1) * sizes[row] <= most:
            group.append(row)
        else:
            groups.append([row])
    return groups
