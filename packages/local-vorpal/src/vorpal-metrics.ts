import { Counter, createMetricsRegistry, Gauge, Histogram, type Registry } from '@archive-brain/common';

export interface QueueLengths {
  readonly model: string;
  readonly running: number;
  readonly waiting: number;
}

/** From a sentence scored in milliseconds to a long answer on a slow machine. */
const LATENCY_BUCKETS_SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];

/** vLLM's metrics under vLLM's names, as far as they mean something here. */
export class VorpalMetrics {
  readonly registry: Registry = createMetricsRegistry();
  private readonly promptTokens = this.counter('vllm:prompt_tokens_total', 'Prompt tokens processed.');
  private readonly generationTokens = this.counter('vllm:generation_tokens_total', 'Tokens generated.');
  private readonly latency = new Histogram({
    name: 'vllm:e2e_request_latency_seconds',
    help: 'Time from a request to the end of its answer.',
    labelNames: ['model_name'],
    buckets: LATENCY_BUCKETS_SECONDS,
    registers: [this.registry],
  });

  /** @param queueLengths is asked at every scrape; `undefined` while no model is loaded */
  constructor(queueLengths: () => QueueLengths | undefined) {
    this.gauge('vllm:num_requests_running', 'Prompts being evaluated.', () => queueLengths(), 'running');
    this.gauge('vllm:num_requests_waiting', 'Prompts that wait for a sequence.', () => queueLengths(), 'waiting');
  }

  observe(model: string, { promptTokens, completionTokens, seconds }: RequestFigures): void {
    this.promptTokens.inc({ model_name: model }, promptTokens);
    this.generationTokens.inc({ model_name: model }, completionTokens);
    this.latency.observe({ model_name: model }, seconds);
  }

  private counter(name: string, help: string): Counter {
    return new Counter({ name, help, labelNames: ['model_name'], registers: [this.registry] });
  }

  private gauge(name: string, help: string, read: () => QueueLengths | undefined, field: 'running' | 'waiting'): void {
    const gauge = new Gauge({
      name,
      help,
      labelNames: ['model_name'],
      registers: [this.registry],
      collect: () => {
        const lengths = read();
        gauge.reset();
        if (lengths) gauge.set({ model_name: lengths.model }, lengths[field]);
      },
    });
  }
}

export interface RequestFigures {
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly seconds: number;
}
