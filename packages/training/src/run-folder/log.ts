import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { TrainingEvent } from "../fit/events.ts";
import type { EpochRecord } from "../fit/state.ts";

/** A line of the log. */
export type LogLine =
  | {
      readonly kind: "step";
      readonly part: Part;
      readonly step: number;
      readonly epoch: number;
      readonly learningRate: number;
      readonly loss: number;
      readonly accuracy: number;
    }
  | ({ readonly kind: "epoch"; readonly part: Part; readonly step: number } & EpochRecord);

/** What is trained: the last layer on features of the frozen rest, or the whole network. */
type Part = "head" | "network";

/**
 * Writes a JSON line for each step and each epoch. A run that goes on drops the lines after its checkpoint, and adds
 * those of epochs that it lacks, so that the log is the same bytes as without an interruption: times are not in it.
 */
export class TrainingLog {
  readonly #path: string;
  #part: Part = "network";
  #step = 0;

  constructor(path: string) {
    this.#path = path;
  }

  add(event: TrainingEvent): void {
    switch (event.kind) {
      case "part":
        if (event.name === "features") this.#write([]);
        else this.#part = event.name;
        break;
      case "start":
        this.#goOnFrom(event);
        break;
      case "step": {
        const { kind, step, epoch, learningRate, loss, accuracy } = event;
        this.#step = step;
        this.#append({ kind, part: this.#part, step, epoch, learningRate, loss, accuracy });
        break;
      }
      case "epoch":
        this.#append(lineOf(event, this.#part, this.#step));
        break;
      case "checkpoint":
    }
  }

  #goOnFrom({ done, stepsPerEpoch, history }: Extract<TrainingEvent, { kind: "start" }>): void {
    const part = this.#part;
    const lines = existsSync(this.#path) ? linesIn(readFileSync(this.#path, "utf8")) : [];
    const others = lines.filter((line) => line.part !== part);
    const steps = lines.filter((line) => line.part === part && line.kind === "step" && line.step <= done);
    const epochs = history.map((record) => lineOf(record, part, record.epoch * stepsPerEpoch));
    // an epoch's line comes after that of its last step
    const own = [...steps, ...epochs].sort((a, b) => a.step - b.step || rank(a) - rank(b));
    this.#step = done;
    this.#write([...others, ...own]);
  }

  #append(line: LogLine): void {
    appendFileSync(this.#path, textOf(line));
  }

  #write(lines: readonly LogLine[]): void {
    mkdirSync(dirname(this.#path), { recursive: true });
    writeFileSync(this.#path, lines.map(textOf).join(""));
  }
}

const textOf = (line: LogLine): string => `${JSON.stringify(line)}\n`;

const rank = ({ kind }: LogLine): number => (kind === "step" ? 0 : 1);

function lineOf(record: EpochRecord, part: Part, step: number): LogLine {
  const { epoch, learningRate, trainLoss, trainAccuracy, loss, accuracy, top5 } = record;
  return { kind: "epoch", part, step, epoch, learningRate, trainLoss, trainAccuracy, loss, accuracy, top5 };
}

/** A last line that a killed run has begun is left out. */
function linesIn(text: string): readonly LogLine[] {
  const end = text.lastIndexOf("\n") + 1;
  return text
    .slice(0, end)
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as LogLine);
}

/** The epochs of the last layer alone, as the log tells them. */
export function headEpochsIn(path: string): readonly EpochRecord[] {
  if (!existsSync(path)) return [];
  return linesIn(readFileSync(path, "utf8")).flatMap((line) =>
    line.kind === "epoch" && line.part === "head" ? [line] : [],
  );
}
