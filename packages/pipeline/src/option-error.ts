import { UnsupportedError } from "@residual/core";

/**
 * An option names something that does not exist, or is missing where nothing else tells its value. The message quotes
 * the names of options in backticks, which the command line shows as its flags.
 */
export class OptionError extends UnsupportedError {}
