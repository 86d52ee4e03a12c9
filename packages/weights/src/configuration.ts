/** Configuration files that define the model of weights, as transformers and timm write them. */
export const configurationFiles = ["config.json", "preprocessor_config.json"] as const;

/** No configuration is longer, in bytes: 20,000 class names take about one megabyte. */
export const longestConfiguration = 8 << 20;

/** The text of a configuration, and the file as messages call it. */
export interface Configuration {
  readonly file: string;
  readonly text: string;
}
