"""An experiment, from what was prepared to a report: train, validate, choose, test once."""

import contextlib
import dataclasses
import math
import time

import tensorflow as tf

from odtf import data, metrics, stopping
from odtf.data import splits
from odtf.errors import UserError
from odtf.training import choosing, cohorts, recipes
from odtf.training import config as config_lib
from odtf.training import report as report_lib
from odtf.training.checkpoints import Checkpoints
from odtf.training.logs import Log
from odtf.training.progress_pictures import ProgressPictures

# Training images that TensorBoard shows.
_SHOWN = 16


class Experiment:
    """One run: everything that `prepare` has built, and the loop over it."""

    def __init__(self, config, workdir, placement, dataset, pipeline, method):
        self.config = config
        self.workdir = workdir
        self.placement = placement
        self.dataset = dataset
        self.pipeline = pipeline
        self.method = method
        method.judges_loss = True
        self.log = Log(workdir, is_chief=placement.is_chief)
        self.checkpoints = Checkpoints(
            workdir, method, keep=config.checkpoint.keep, is_chief=placement.is_chief, log=self.log.line
        )
        self.pictures = ProgressPictures(config.pictures, workdir, dataset, method, self.log.line)
        self.total_steps = config.epochs * pipeline.steps_per_epoch
        self._requests = stopping.Requests()
        self._frozen = {}  # By split, the values of networks that stay as they are.

    def run(self, after_epoch=None):
        """Trains to the end, or goes on where an earlier run stopped, and returns the report as a dict.

        Args:
            after_epoch: as for `odtf.runs.train`.

        Raises:
            UserError: on corrupt images, and if a loss stops being finite.
            odtf.stopping.Stopped: after SIGTERM or Ctrl-C, when everything is saved.
        """
        progress = self.checkpoints.restore() or {"step": 0, "chosen": None, "seconds": 0.0}
        self.method.reached.restore(self.method.variables, progress.get("reached", ()))
        _require_same_on_all_workers(self.placement, progress["step"])
        self.log.start(progress["step"], self.total_steps)
        try:
            if not progress["step"]:
                self.log.introduce(config_lib.to_json(self.config), self._first_images)
            self.log.line(self._headline(progress))
            if not progress["step"] and self.placement.is_chief:
                progress["remarks"] = list(self.dataset.remarks())
                for remark in progress["remarks"]:
                    self.log.line(f"note: {remark}")
            for domain in self.pipeline.domains:
                self.log.line(domain.describe())
            for name, started in self.method.starts.items():
                self.log.line(f"{name} starts {started}")
            with self._requests:
                if progress["step"] < self.total_steps:
                    self._train(progress, after_epoch or (lambda epoch: None))
                return self._report(progress)
        except tf.errors.OpError as error:
            # An image that is corrupt shows when it is read ahead; what else TensorFlow raises keeps its traceback.
            if (bad_input := data.user_error_from(error)) is None:
                raise
            raise bad_input from error
        finally:
            self.log.close()

    def _first_images(self):
        """Returns some images of the training split, uint8 `[n, height, width, channels]`."""
        train = self.dataset.splits["train"]
        return train.take(range(min(_SHOWN, len(train))))[0]

    def _headline(self, progress):
        parts = [
            f"{self.config.method.name} on {self.dataset.describe()}",
            f"peers {len(self.method.peers)}",
            f"steps {self.total_steps} ({self.config.epochs} x {self.pipeline.steps_per_epoch})",
            f"replicas {self.placement.num_replicas}",
        ]
        return "; ".join(parts) + (f"; resumed at step {progress['step']}" if progress["step"] else "")

    def _heed(self, step):
        """Raises `odtf.stopping.Stopped` if that was asked for; everything up to `step` is saved."""
        self._requests.heed(f"stopped at step {step} of {self.total_steps}; the same command goes on from there")

    # Training -------------------------------------------------------------------------------------------------------

    def _train(self, progress, after_epoch):
        """Runs the steps that are left; `progress` is kept up to date."""
        steps_per_epoch = self.pipeline.steps_per_epoch
        every = self.config.checkpoint.every_steps or steps_per_epoch
        first = progress["step"]
        if not first:
            recipes.begin(self.config, self.method, self.pipeline.batch)
            self.method.before_training(self.pipeline.batch)
        self.method.begin_epoch(first // steps_per_epoch, resumed=first % steps_per_epoch > 0)
        iterator = iter(
            self.placement.distribute(
                lambda replicas, count: self.pipeline.dataset(first, replicas=replicas, num_replicas=count)
            )
        )
        window = Window(self.log, self.checkpoints)
        started, before = time.monotonic(), progress["seconds"]
        for step in range(first + 1, self.total_steps + 1):
            window.add(step, self.method.step_function_at(step)(iterator))
            self.log.advance()
            progress["step"] = step
            if (step - 1) % steps_per_epoch == 0:
                self.method.check_reached((step - 1) // steps_per_epoch, self.config.epochs)
            epoch_ends = step % steps_per_epoch == 0
            saves = step % every == 0 or step == self.total_steps or self._requests.asked
            if step % self.config.log_every_steps == 0 or epoch_ends or saves:
                window.close(self.config.batch_size, self.method.current_rate)
            if epoch_ends:
                self._validate(progress)
            progress["seconds"] = before + time.monotonic() - started
            if saves:
                progress["reached"] = self.method.reached.positions(self.method.variables)
                self.log.send()
                self.checkpoints.save(progress)
            if epoch_ends:
                after_epoch(step // steps_per_epoch)
            if epoch_ends and step < self.total_steps:
                # After the checkpoint: whoever resumes at this step begins the epoch again.
                self.method.begin_epoch(step // steps_per_epoch)
            self._heed(step)

    def _validate(self, progress):
        """Evaluates on the validation split at the end of an epoch and keeps the best peer so far."""
        with self._averaged(progress["step"]):
            self._judge(progress)

    def _judge(self, progress):
        """Evaluates the weights as they are, logs what they give, and keeps them if they are the best so far."""
        step = progress["step"]
        epoch = step // self.pipeline.steps_per_epoch
        values = self._evaluate("validation")
        self.method.after_validation(values)
        self.log.values(step, "validation", {"epoch": epoch, **values})
        self.log.line(f"epoch {epoch}/{self.config.epochs}  validation {self._shown(values)}")
        if self.placement.is_chief:
            self.pictures.after(epoch)
        if self.method.quantization is not None and not self.method.quantization.quantizes:
            return  # What is exported has been trained as int8: float weights would be better here and worse there.
        if found := choosing.improved(self.method, values, progress):
            digest = self.checkpoints.save_chosen(step)
            progress["chosen"] = {"step": step, "epoch": epoch, **found, "sha256": digest}

    @contextlib.contextmanager
    def _averaged(self, step):
        """Lets the weights be their averages within, where the config has any, with statistics of the last batches."""
        if self.method.averaging is None:
            yield
            return

        def batches():
            count = min(step, self.config.average.norm_batches)
            dataset = self.placement.distribute(
                lambda replicas, number: self.pipeline.dataset(step - count, replicas=replicas, num_replicas=number)
            )
            return iter(dataset), count

        with self.method.averaging.applied(self.method, batches):
            yield

    def _shown(self, values):
        """Returns the metric that chooses, of everything that has it, as a line shows it."""
        metric, suffix = self.method.task.metrics[self.method.task.choice], f"/{self.method.task.choice}"
        shown = (
            f"{name.removesuffix(suffix)} {metric.text(value)}"
            for name, value in values.items()
            if name.endswith(suffix)
        )
        return f"{metric.title}: {'  '.join(shown)}"

    def _evaluate(self, split):
        """Returns all values of a split; of networks that stay as they are, those of the first time."""
        if not self.method.frozen:
            return self._measured(split) | self.method.extra_values(split, self._examples)
        if split not in self._frozen:
            frozen = self._measured(split, frozen=True)
            self._frozen[split] = frozen | self.method.frozen_values(split, self._examples)
        values = self._measured(split, frozen=False)
        return values | self._frozen[split] | self.method.extra_values(split, self._examples)

    def _measured(self, split, frozen=None):
        parts = self.dataset.parts(metrics.references_of(self.method.task.metrics))
        references = {name: self._distributed(part) for name, part in parts.items()}
        examples = self._distributed(self.dataset.splits[split])
        return self.method.measure(examples, references=references, frozen=frozen)

    def _distributed(self, split):
        """Returns the examples of a split for all replicas."""
        return self.placement.distribute(
            lambda replicas, count: data.eval_dataset(
                split,
                self.dataset,
                batch_size=self._eval_batch_size(count),
                replicas=replicas,
                num_replicas=count,
            )
        )

    def _examples(self, split):
        """Returns the whole of a split on every worker, for `Method.extra_values`."""
        return data.eval_dataset(split, self.dataset, batch_size=self._eval_batch_size(1))

    def _eval_batch_size(self, replicas):
        """Returns a batch for evaluation that the replicas share evenly; above that of training for small images."""
        size = max(self.config.batch_size, splits.chunk(100, self.dataset.image_shape))
        return size // replicas * replicas

    # The end --------------------------------------------------------------------------------------------------------

    def _report(self, progress):
        """Reads the test split, with the last weights and, if they are others, the chosen ones; returns the report."""
        with self._averaged(self.total_steps):
            last = self._figures()
        chosen_at = progress["chosen"]
        self.checkpoints.load_chosen(chosen_at["step"], chosen_at.get("sha256"))
        chosen = last if chosen_at["step"] == self.total_steps else self._figures()
        peers = []
        for name, network in self.method.peers.items():
            about = {**report_lib.cost_of(network, self.method.task), "network": cohorts.network_of(self.method, name)}
            if name not in self.method.students:
                about["role"] = "teacher"
            if name in self.method.starts:
                about["start"] = dataclasses.asdict(self.method.starts[name])
            peers.append({"name": name, **about, **report_lib.figures(name, chosen, last)})
        teacher = report_lib.figures("teacher", chosen, last)
        if teacher and self.method.teacher is not None:
            teacher = {**report_lib.cost_of(self.method.teacher, self.method.task), **teacher}
        student = next(peer for peer in peers if peer["name"] == chosen_at["peer"])
        return {
            "config": config_lib.to_json(self.config),
            "method": self.config.method.name,
            "task": report_lib.task_row(self.method.task),
            "dataset": self.dataset.name,
            "normalization": {"mean": list(self.dataset.mean), "std": list(self.dataset.std)},
            "resize": self.dataset.resize,
            "remarks": progress.get("remarks", []),
            "seed": self.config.seed,
            "peers": peers,
            "teacher": teacher or None,
            "student": {**student, **{key: chosen_at.get(key) for key in ("epoch", "step", "sha256")}},
            "exports": [],
            "seconds": {"train": round(progress["seconds"], 1), "export": 0.0},
            **report_lib.diversity(chosen, last),
        }

    def _figures(self):
        """Returns the metrics of both splits that are judged, with the weights as they are."""
        values = {}
        for key, split in (("val", "validation"), ("test", "test")):
            found = self._evaluate(split)  # The loss is for curves.
            values[key] = {name: value for name, value in found.items() if not name.endswith("/supervised")}
            self._heed(self.total_steps)
        return values


class Window:
    """The steps since the last line of the log: their means, and whether every value was finite."""

    def __init__(self, log, checkpoints):
        self._log = log
        self._checkpoints = checkpoints
        self._steps = []
        self._started = time.monotonic()

    def add(self, step, values):
        """Notes the values of a step; they stay on the device until the window closes."""
        self._steps.append((step, values))

    def close(self, batch_size, learning_rate):
        """Logs the means and opens the next window.

        Raises:
            UserError: at the first step and term that is not finite.
        """
        if not self._steps:
            return
        totals = {}
        for step, values in self._steps:
            for name, value in values.items():
                value = float(value)
                if not math.isfinite(value):
                    self._fail(step, name, value, values)
                totals[name] = totals.get(name, 0.0) + value
        seconds = time.monotonic() - self._started
        means = {name: total / len(self._steps) for name, total in totals.items()}
        rate = len(self._steps) * batch_size / seconds
        self._log.values(step, "train", {**means, "learning_rate": learning_rate, "images_per_second": round(rate, 1)})
        self._steps = []
        self._started = time.monotonic()

    def _fail(self, step, name, value, values):
        # The sum is named only where no term of it can be.
        broken = [term for term, v in values.items() if term != "loss" and not math.isfinite(float(v))]
        last = self._checkpoints.last_step()
        good = f"the last good checkpoint is of step {last}" if last else "no checkpoint was written yet"
        where = f"at step {step}, in {(broken or [name])[0]}"
        if step == 1:  # Its loss is that of the weights as they were made.
            raise UserError(
                f"The loss is not finite {where}, before anything was learned: no learning rate is at fault, but a "
                f"number of config.method, config.task or config.network, or the data. Received: {value}."
            )
        raise UserError(
            f"The loss stopped being finite {where}; {good}. A lower config.schedule.learning_rate, a warm-up or a "
            f"smaller weight of this term would be right. Received: {value}."
        )


def _require_same_on_all_workers(placement, step):
    """Raises UserError if the workers would start at different steps: they would wait for each other for ever."""
    if placement.num_workers == 1:
        return
    mine = tf.constant([step], tf.int64)
    steps = placement.strategy.run(lambda: tf.distribute.get_replica_context().all_gather(mine, axis=0))
    found = set(placement.strategy.experimental_local_results(steps)[0].numpy().tolist())
    if len(found) > 1:
        raise UserError(
            "All workers must see the same workdir, on a file system that they share. "
            f"Received: checkpoints of the steps {', '.join(map(str, sorted(found)))}."
        )
