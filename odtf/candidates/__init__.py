"""Candidates of `odtf-export --budget`: every peer of a finished run in every quantisation, measured once.

A candidate is exported and verified like any student, but on the validation split, which also judges it; the test
split is read for the chosen one alone. WORKDIR/export/candidates.json keeps the measurements, so that another budget
is answered from them; the form is stable, keys may be added:

    candidates  for each: target, peer, quantization, val_METRIC (of the task's metric that chooses), bytes, sha256,
                macs (of the deployed network), cycles and sram_bytes (Vela's, for the Ethos-U; null where it has none),
                arena_bytes (TFLite Micro's, activations and structures), arena_by (the version of tflite-micro that
                said it, or "estimate"), latency_us (p50 of one thread, median of rounds), agreement, notes, made_with
                (digest of the weights, versions); nulls and a note where the export refuses it
    choice      target, budget, and the chosen peer and quantization; null where none fits
"""
