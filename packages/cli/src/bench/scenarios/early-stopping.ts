/**
 * MLPerf's early stopping: how sure few queries make us of a percentile. Source: appendix "Early Stopping Criterion"
 * of MLPerf's inference_rules.adoc, with its tolerance 0 and confidence 0.99.
 */
const confidence = 0.99;

/**
 * The fewest queries within the bound that outweigh `over` queries beyond it: a system that keeps the bound for just
 * `percentile` of its queries would do so well in less than 1 % of runs.
 */
export function minPassing(over: number, percentile: number): number {
  let [low, high] = [0, 1];
  while (chance(over, high, percentile) > 1 - confidence) [low, high] = [high, 2 * high];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (chance(over, middle, percentile) > 1 - confidence) low = middle;
    else high = middle;
  }
  return high;
}

/** The most queries beyond the bound that `queries` queries allow; undefined where there are too few for any. */
export function mostOver(queries: number, percentile: number): number | undefined {
  const allows = (over: number) => over + minPassing(over, percentile) <= queries;
  if (!allows(0)) return undefined;
  let [low, high] = [0, 1];
  while (allows(high)) [low, high] = [high, 2 * high];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (allows(middle)) low = middle;
    else high = middle;
  }
  return low;
}

/** The binomial chance of at most `over` queries beyond the bound among `over + passing`, each with 1 − percentile. */
function chance(over: number, passing: number, percentile: number): number {
  const queries = over + passing;
  const odds = (1 - percentile) / percentile;
  let term = queries * Math.log(percentile); // in logarithms, since percentile ^ queries may be below any float64
  let largest = term;
  const terms = [term];
  for (let k = 1; k <= over; k++) {
    term += Math.log(((queries - k + 1) / k) * odds);
    largest = Math.max(largest, term);
    terms.push(term);
  }
  return Math.exp(largest) * terms.reduce((sum, each) => sum + Math.exp(each - largest), 0);
}
