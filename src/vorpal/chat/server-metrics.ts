// One line of each engine and model the server runs. The second name is that of older versions, which some have beside
// the first.
const LATER_TOKENS = [
  /^vllm:inter_token_latency_seconds_count(?:\{.*\})?[ \t]+(\S+)/gm,
  /^vllm:time_per_output_token_seconds_count(?:\{.*\})?[ \t]+(\S+)/gm,
];

/**
 * Tokens that the server has generated after the first one of an answer, from its metrics in Prometheus' text format;
 * `undefined` where they do not tell.
 */
export function laterTokensIn(metrics: string): number | undefined {
  const found = LATER_TOKENS.map((line) => sumOf(metrics, line));
  return found.find((sum) => sum !== undefined);
}

function sumOf(metrics: string, line: RegExp): number | undefined {
  const values = [...metrics.matchAll(line)].map(([, value]) => Number(value)).filter(Number.isFinite);
  return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0);
}
