import type { Deviation, ModelName, WorkOptions } from "@residual/core";
import type { Level, Report, Section } from "../report/types.ts";
import type { ImageSet } from "./levels/images.ts";

export interface ConformOptions extends WorkOptions {
  /** "quick" takes at most a minute on two cores and has small images. "full" has every case. Default: "quick". */
  readonly level?: "quick" | "full";
  /**
   * The levels to run. Default: all six, and `train` is skipped on a backend that does not train. A backend that does
   * not train fails `train` if it is named here.
   */
  readonly only?: readonly Level[];
  /**
   * Titles of sections to leave out, such as `ops/layers of the family`: some take too long on a device. A title
   * without its variant leaves out the sections of all variants, and a level's name those of the level.
   */
  readonly without?: readonly string[];
  /**
   * Which models to run. The default for "quick" is one model of each kind of block, stem and shortcut. The default for
   * "full" is every model except the two with weights of more than a gigabyte.
   */
  readonly models?: readonly ModelName[];
  /** Real pictures with PyTorch's answers. Without pictures, the level is reported as skipped. */
  readonly images?: readonly ImageSet[];
  /**
   * The URL of the folder with PyTorch's answers: in a bundled page, of a copy of this package's folder `golden`.
   * Default: the folder beside the package's modules.
   */
  readonly goldens?: string | { readonly href: string };
  /** Known deviations, in addition to the backend's own list. */
  readonly deviations?: readonly Deviation[];
  /** Sections of an interrupted earlier run. These sections are not run again. */
  readonly done?: readonly Section[];
  /**
   * Called after each section with the section, which a later run may pass as `done`. Also gets the report so far; its
   * `remaining` sections have not run yet.
   */
  readonly onSection?: (section: Section, report: Report) => void | Promise<void>;
  /**
   * Called with the running section's title. `done` and `total` count sections; `done` includes the finished part of
   * the running section.
   */
  readonly onProgress?: WorkOptions["onProgress"];
}
