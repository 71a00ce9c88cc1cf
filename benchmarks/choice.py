"""What `gpu_table.py` recommends; no flags and no TensorFlow, so that tests can load it."""

# Rows that are slower by less are as good: repetitions differ by a few percent.
_EQUAL = 0.95
# From the safest to the least safe. float16 needs a loss scale and skips updates.
_PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")


def defaults(rows: list[dict], policies: list[dict]) -> list[str]:
    """Gin bindings for a GPU, from the measured rows.

    Among the rows of the largest batch, the fastest counts. A safer precision, or no XLA, is chosen
    where it is less than 5% slower. Rows with an error, of several GPUs, or with a loss that is not
    finite do not count.

    Args:
      rows: of the updates, with batch, precision, jit_compile and, where measured,
        updates_per_second and finite.
      policies: of the policy step, with precision, device and, where measured, milliseconds.

    Returns:
      Lines for a gin file; none if nothing was measured.
    """
    measured = [
        row
        for row in rows
        if row.get("finite") and "updates_per_second" in row and row.get("devices", 1) == 1
    ]
    if not measured:
        return []
    largest = max(row["batch"] for row in measured)
    measured = [row for row in measured if row["batch"] == largest]
    fastest = max(row["updates_per_second"] for row in measured)
    good = [row for row in measured if row["updates_per_second"] >= _EQUAL * fastest]
    best = min(good, key=lambda row: (_PRECISIONS.index(row["precision"]), row["jit_compile"]))
    lines = [
        f"Learner.precision = '{best['precision']}'",
        f"Learner.jit_compile = {best['jit_compile']}",
    ]
    steps = [
        row for row in policies if row["precision"] == best["precision"] and "milliseconds" in row
    ]
    if steps:
        device = min(steps, key=lambda row: row["milliseconds"])["device"]
        lines.append(f"Learner.policy_device = '{device}'")
    return lines
