interface Counted {
  readonly name: string;
  readonly pictures: readonly unknown[];
}

/** What is missing before a network can be trained, in sentences. */
export function shortfallOf(classes: readonly Counted[]): readonly string[] {
  const named = (which: (each: Counted) => boolean) => classes.filter(which).map(({ name }) => name.trim());
  const empty = named(({ pictures }) => pictures.length === 0);
  const single = named(({ pictures }) => pictures.length === 1);
  const names = named(() => true);
  const twice = names.filter((name, at) => names.indexOf(name) < at);
  return [
    ...(classes.length < 2 ? ["There must be two classes to tell apart: add one."] : []),
    ...(names.includes("") ? ["A class has no name: give it one."] : []),
    ...(twice.length > 0 ? [`Two classes are named ${twice[0]}: rename one.`] : []),
    ...(empty.length > 0 ? [`${listed(empty)} no pictures yet: record some, add some, or remove the class.`] : []),
    ...(single.length > 0 ? [`${listed(single)} one picture: give it another, to judge by.`] : []),
  ];
}

function listed(names: readonly string[]): string {
  const [last, ...others] = names.toReversed();
  return others.length === 0 ? `${last} has` : `${others.toReversed().join(", ")} and ${last} have`;
}
