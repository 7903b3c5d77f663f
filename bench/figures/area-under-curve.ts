/**
 * Area under the ROC curve: the probability that the one of `higher` has the higher value in a random pair of one of
 * each, ties counted half (Mann–Whitney U / n·m, by ranks). Not a number where one of them is empty.
 */
export function areaUnderCurve(lower: readonly number[], higher: readonly number[]): number {
  const all = [...lower.map((value) => ({ value, isHigh: 0 })), ...higher.map((value) => ({ value, isHigh: 1 }))];
  all.sort((a, b) => a.value - b.value);
  let ranks = 0;
  for (let start = 0; start < all.length;) {
    let end = start;
    let highs = 0;
    for (; all[end] !== undefined && all[end]?.value === all[start]?.value; end++) highs += all[end]?.isHigh ?? 0;
    // Equal values share the mean of their ranks.
    ranks += (highs * (start + 1 + end)) / 2;
    start = end;
  }
  return (ranks - (higher.length * (higher.length + 1)) / 2) / (lower.length * higher.length);
}
