import { waitingRequestsIn } from './server-metrics.js';

describe(waitingRequestsIn.name, () => {
  it('sums what waits over the engines of the server', () => {
    const metrics = `# HELP vllm:num_requests_waiting Number of requests waiting to be processed.
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{engine="0",model_name="a{b}"} 3.0
vllm:num_requests_waiting{engine="1",model_name="a{b}"} 4.0
vllm:num_requests_waiting_by_reason{engine="0",reason="capacity"} 100.0
vllm:num_requests_running{engine="0"} 50.0
`;
    expect(waitingRequestsIn(metrics)).toBe(7);
  });

  it('reads a gauge without labels', () => {
    expect(waitingRequestsIn('vllm:num_requests_waiting 0\n')).toBe(0);
  });

  it.each([
    ['other metrics', 'http_requests_total 7\n'],
    ['a page', '<html>vllm:num_requests_waiting</html>'],
    ['a value that is none', 'vllm:num_requests_waiting{engine="0"} NaN\n'],
    ['nothing', ''],
  ])('does not guess from %s', (_, metrics) => {
    expect(waitingRequestsIn(metrics)).toBeUndefined();
  });
});
