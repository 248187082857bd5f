"""Fine-tuning of a trained student for its device: quantisation-aware, pruned, clustered, with the cohort as teacher.

TFMOT works on tf_keras: `twin` rebuilds the deployed student there, `quantize`, `prune` and `cluster` are what can be
done to a twin, `tuning` is the loop, `files` and `measure` are the result, `run` is all of it. Import the module you
need; `settings` does not import TensorFlow.
"""
