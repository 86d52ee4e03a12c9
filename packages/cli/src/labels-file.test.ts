import { writeFile } from "node:fs/promises";
import { FormatError } from "@residual/core";
import { expect, it } from "vitest";
import { labelsIn } from "./labels-file.ts";
import { temporaryFolder } from "./testing/folder.ts";

const folder = temporaryFolder();

async function inFile(text: string): Promise<readonly string[]> {
  const path = folder.in("labels.txt");
  await writeFile(path, text);
  return labelsIn(path);
}

it.each<[string, string]>([
  ["lines", "cat\ndog\nbarn owl\n"],
  ["lines of Windows, with a mark", "\uFEFFcat\r\ndog\r\nbarn owl\r\n"],
  ["a list", '["cat", "dog", "barn owl"]'],
  ["names by index", '{"2": "barn owl", "0": "cat", "1": "dog"}'],
  ["Keras' class index", '{"0": ["n01", "cat"], "1": ["n02", "dog"], "2": ["n03", "barn owl"]}'],
  [
    "transformers' config.json",
    '{"model_type": "resnet", "id2label": {"0": "cat", "1": "dog", "2": "barn owl"}, "label2id": {"cat": 0}}',
  ],
  ["torchvision's class_to_idx", '{"cat": 0, "dog": 1, "barn owl": 2}'],
])("reads %s", async (_, text) => {
  expect(await inFile(text)).toEqual(["cat", "dog", "barn owl"]);
});

it.each<[string, string]>([
  ["", "class 0 has a blank name"],
  ["cat\n\ndog", "class 1 has a blank name"],
  ['["cat", 5]', "class 1 has the number 5, expected a name"],
  ['{"0": "cat", "2": "dog"}', "class 1 has undefined, expected a name"],
  ['{"cat": 0, "dog": 2}', "class 1 has undefined"],
  ["[cat, dog]", "begins like JSON but is invalid"],
])("refuses %j", async (text, message) => {
  const refused = inFile(text);
  await expect(refused).rejects.toThrow(FormatError);
  await expect(refused).rejects.toThrow(message);
});

it("names a file that is not there", async () => {
  await expect(labelsIn(folder.in("nowhere.txt"))).rejects.toThrow(/nowhere\.txt: it cannot be read \(ENOENT\)/);
});
