import type { Deviation, ModelName, WorkOptions } from "@residual/core";
import type { Level, Report, Section } from "../report/types.ts";
import type { ImageSet } from "./levels/images.ts";

export interface ConformOptions extends WorkOptions {
  /** "quick" takes at most a minute on two cores, and has small images; "full" holds every case there is. "quick" */
  readonly level?: "quick" | "full";
  /** Which levels to run. All five */
  readonly only?: readonly Level[];
  /**
   * Sections to leave out, where they take too long on a device: by their title, as `ops/layers of the family`. A title
   * without its variant leaves out the sections of all variants.
   */
  readonly without?: readonly string[];
  /**
   * Which models to run. For "quick" one of each kind of block, stem and shortcut; for "full" every model, but for the
   * two whose weights take more than a gigabyte.
   */
  readonly models?: readonly ModelName[];
  /** Real pictures with PyTorch's answers; without any the level is reported as skipped. */
  readonly images?: readonly ImageSet[];
  /** Known deviations, in addition to the backend's own list. */
  readonly deviations?: readonly Deviation[];
  /** Sections of an earlier run that was interrupted: they are not run again. */
  readonly done?: readonly Section[];
  /**
   * Told of each section as soon as it has run, to be kept for `done`, and of the report so far, whose `remaining`
   * sections are still to come.
   */
  readonly onSection?: (section: Section, report: Report) => void | Promise<void>;
  /** Told of the running section's title. `done` and `total` count sections; `done` has a part of the running one. */
  readonly onProgress?: WorkOptions["onProgress"];
}
