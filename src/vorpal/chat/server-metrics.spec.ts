import { laterTokensIn } from './server-metrics.js';

describe(laterTokensIn.name, () => {
  it('sums what the engines of the server have generated', () => {
    const metrics = `# HELP vllm:inter_token_latency_seconds Histogram of inter-token latency in seconds.
# TYPE vllm:inter_token_latency_seconds histogram
vllm:inter_token_latency_seconds_bucket{engine="0",le="0.01",model_name="a{b}"} 100.0
vllm:inter_token_latency_seconds_count{engine="0",model_name="a{b}"} 3.0
vllm:inter_token_latency_seconds_count{engine="1",model_name="a{b}"} 4.0
vllm:inter_token_latency_seconds_sum{engine="0",model_name="a{b}"} 50.0
`;
    expect(laterTokensIn(metrics)).toBe(7);
  });

  it('knows the older name, and counts nothing twice where there are both', () => {
    const older = 'vllm:time_per_output_token_seconds_count 5\n';
    expect(laterTokensIn(older)).toBe(5);
    expect(laterTokensIn(`${older}vllm:inter_token_latency_seconds_count 5\n`)).toBe(5);
  });

  it.each([
    ['other metrics', 'http_requests_total 7\n'],
    ['a page', '<html>vllm:inter_token_latency_seconds_count</html>'],
    ['a value that is not a number', 'vllm:inter_token_latency_seconds_count{engine="0"} NaN\n'],
    ['nothing', ''],
  ])('does not guess from %s', (_, metrics) => {
    expect(laterTokensIn(metrics)).toBeUndefined();
  });
});
