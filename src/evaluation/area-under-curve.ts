/**
 * Area under the ROC curve: the probability that the one of `higher` has the higher value in a random pair of one of each,
 * ties counted half (Mann–Whitney U / n·m). Not a number where one of them is empty.
 */
export function areaUnderCurve(lower: readonly number[], higher: readonly number[]): number {
  const wins = lower.flatMap((low) => higher.map((high) => (high > low ? 1 : high === low ? 0.5 : 0)));
  return wins.reduce<number>((sum, win) => sum + win, 0) / wins.length;
}
