import type { TrainingEvent } from "@residual/training";
import { MultiBar, Presets } from "cli-progress";
import { type Bar, progressBar, remark, remarkInLines } from "./terminal.ts";

type EventOf<Kind extends TrainingEvent["kind"]> = Extract<TrainingEvent, { kind: Kind }>;

/** A view of a training run on stderr: on a terminal lines that change, else a line for each epoch. */
export interface TrainingView {
  readonly onEvent: (event: TrainingEvent) => void;
  readonly onProgress: Bar["onProgress"];
  readonly onWarning: (message: string) => void;
  /** Clears the lines that change, as the process's exit does. */
  end(): void;
}

export function trainingView(): TrainingView {
  const view = process.stderr.isTTY ? new LiveView() : new LineView();
  return {
    onEvent: (event) => view.add(event),
    onProgress: (progress) => view.progress(progress),
    onWarning: (message) => view.warn(message),
    end: () => view.end(),
  };
}

/** A line for each epoch. The last layer alone, whose epochs take no time, has one for all. */
class LineView {
  #part = "network";
  #rate = 0;
  #epochs = 0;
  #last: EventOf<"epoch"> | undefined;

  add(event: TrainingEvent): void {
    if (event.kind === "part") this.#begin(event);
    if (event.kind === "start") {
      this.#epochs = event.steps / event.stepsPerEpoch;
      if (event.done > 0) remark(`goes on after step ${event.done} of ${event.steps}`);
    }
    if (event.kind === "step") this.#rate = event.picturesPerSecond;
    if (event.kind !== "epoch") return;
    this.#last = event;
    if (this.#part === "network") remark(epochLine(event, this.#epochs, this.#rate));
  }

  progress(): void {}

  warn(message: string): void {
    remarkInLines(message);
  }

  end(): void {
    if (this.#part === "head") this.#tellHead();
  }

  #begin({ name }: EventOf<"part">): void {
    if (name === "network") this.#tellHead();
    this.#part = name;
  }

  #tellHead(): void {
    if (!this.#last) return;
    const { epoch, accuracy, loss } = this.#last;
    remark(`the last layer alone, ${epoch} epochs: held out ${loss.toFixed(4)}, ${percent(accuracy)}`);
    this.#last = undefined;
  }
}

function epochLine(event: EventOf<"epoch">, epochs: number, rate: number): string {
  const { epoch, trainLoss, trainAccuracy, loss, accuracy, learningRate, isBest } = event;
  return (
    `epoch ${epoch} of ${epochs}: loss ${trainLoss.toFixed(4)}, ${percent(trainAccuracy)}; ` +
    `held out ${loss.toFixed(4)}, ${percent(accuracy)}${isBest ? " (best)" : ""}; ` +
    `learning rate ${learningRate.toPrecision(3)}; ${Math.round(rate).toLocaleString("en-US")} pictures/s`
  );
}

/** Three lines that change: progress, loss and accuracy with their curves. */
class LiveView {
  readonly #bar = progressBar();
  #bars: MultiBar | undefined;
  #lines: readonly { update(value: number, payload: object): void }[] = [];
  #start: EventOf<"start"> | undefined;
  #losses: number[] = [];
  #accuracies: number[] = [];
  #heldOut: number[] = [];
  readonly #stop = () => this.#clear();

  constructor() {
    process.once("exit", this.#stop); // restores the terminal's cursor
  }

  add(event: TrainingEvent): void {
    if (event.kind === "start") {
      this.#clear(); // the next part has other totals
      this.#start = event;
      this.#losses = [];
      this.#accuracies = event.history.map(({ trainAccuracy }) => trainAccuracy);
      this.#heldOut = event.history.map(({ accuracy }) => accuracy);
    }
    if (event.kind === "step") this.#step(event);
    if (event.kind === "epoch") {
      this.#accuracies.push(event.trainAccuracy);
      this.#heldOut.push(event.accuracy);
    }
  }

  /** Of reading weights and computing features; the steps are events. */
  progress(progress: Parameters<Bar["onProgress"]>[0]): void {
    if (progress.stage !== "train") this.#bar.onProgress(progress);
  }

  warn(message: string): void {
    this.#clear();
    remarkInLines(message);
  }

  end(): void {
    process.removeListener("exit", this.#stop);
    this.#clear();
    this.#bar.end();
  }

  #clear(): void {
    this.#bar.clear();
    this.#bars?.stop();
    this.#bars = undefined;
  }

  #step({ step, steps, epoch, learningRate, loss, accuracy, picturesPerSecond, secondsLeft }: EventOf<"step">): void {
    this.#losses.push(loss);
    if (!this.#bars) this.#open(steps);
    const epochs = steps / (this.#start?.stepsPerEpoch ?? steps);
    const rate = Math.round(picturesPerSecond).toLocaleString("en-US");
    const heldOut = this.#heldOut.at(-1);
    const [first, second, third] = this.#lines;
    first?.update(step, { epoch: `epoch ${epoch} of ${epochs}`, rate, left: duration(secondsLeft) });
    second?.update(step, { loss: loss.toFixed(4), curve: sparkline(this.#losses), lr: learningRate.toPrecision(3) });
    third?.update(step, {
      accuracy: percent(accuracy),
      curve: sparkline([...this.#heldOut], [0, 1]),
      heldOut: heldOut === undefined ? "" : `held out ${percent(heldOut)}`,
    });
  }

  #open(total: number): void {
    this.#bar.clear();
    const bars = new MultiBar(
      {
        clearOnComplete: true,
        gracefulExit: false,
        hideCursor: true,
        linewrap: false,
        barsize: 16,
        stream: process.stderr,
      },
      Presets.shades_classic,
    );
    const formats = [
      "{epoch} {bar} step {value} of {total} | {rate} pictures/s | {left} left",
      "loss     {loss} {curve}  learning rate {lr}",
      "accuracy {accuracy} {curve}  {heldOut}",
    ];
    this.#bars = bars;
    this.#lines = formats.map((format) => bars.create(total, 0, {}, { format }));
  }
}

const BLOCKS = "▁▂▃▄▅▆▇█";
const COLUMNS = 24;

/** Means of equal stretches of the values, as blocks from the least to the largest. */
export function sparkline(values: readonly number[], range?: readonly [number, number]): string {
  const columns = Math.min(COLUMNS, values.length);
  const means = Array.from({ length: columns }, (_, at) => {
    const stretch = values.slice(
      Math.floor((at * values.length) / columns),
      Math.floor(((at + 1) * values.length) / columns),
    );
    return stretch.reduce((sum, value) => sum + value, 0) / stretch.length;
  });
  const [low, high] = range ?? [Math.min(...means), Math.max(...means)];
  const block = (value: number) => BLOCKS[Math.round(((value - low) / (high - low || 1)) * (BLOCKS.length - 1))] ?? "?";
  return means.map(block).join("").padEnd(COLUMNS);
}

/** `2 h 5 min`, `3 min 20 s`, `12 s`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min ${whole % 60} s` : `${whole} s`;
}

export const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;
