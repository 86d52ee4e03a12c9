/** Names of the configuration files that describe a model beside its weights, as transformers and timm write them. */
export const configurationFiles = ["config.json", "preprocessor_config.json"] as const;

/** The longest configuration that is read, in bytes. 20,000 class names take about one megabyte. */
export const longestConfiguration = 8 << 20;

/** The text of a configuration, and the file's name in messages. */
export interface Configuration {
  readonly file: string;
  readonly text: string;
}
