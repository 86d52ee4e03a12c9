import { UnsupportedError } from "@residual/core";

/**
 * An option names something that does not exist, or is missing and has no default. The message quotes option names in
 * backticks; the command line prints them as its flags.
 */
export class OptionError extends UnsupportedError {}
