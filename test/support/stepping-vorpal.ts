import { setTimeout as sleep } from 'node:timers/promises';
import { chatCompletion, completion, sendJson, type StubHandler, type StubRequest, StubVorpal } from './stub-vorpal.js';

/** As `--max-num-batched-tokens` of a vLLM that serves. */
const TOKENS_PER_STEP = 2_048;
const MAX_MODEL_LEN = 2_048;

export interface StepCosts {
  readonly msPerStep: number;
  readonly msPerPrefillToken: number;
}

interface Job {
  prefill: number;
  generate: number;
  readonly isScoring: boolean;
  readonly done: () => void;
}

/**
 * A Vorpal with vLLM's scheduler in small, in which prefill steals from generation: in each step every running answer
 * gets one token, and prompts are prefilled in the order of their arrival with what is left of 2,048 tokens; the step
 * takes the longer the more that is. What a chat met is told in tokens, which do not depend on how busy the machine is.
 */
export class SteppingVorpal {
  /** Prefilled so far. */
  scoringTokens = 0;
  /** Of each chat that was answered: scoring tokens prefilled between its arrival and its end. */
  readonly scoringTokensDuringChats: number[] = [];
  /** What the steps so far took at least. */
  workedMs = 0;
  private readonly jobs: Job[] = [];
  private isRunning = false;

  private constructor(
    readonly stub: StubVorpal,
    private readonly costs: StepCosts,
  ) {}

  static async start(costs: StepCosts, port = 0): Promise<SteppingVorpal> {
    const stub = await StubVorpal.start({ maxModelLen: MAX_MODEL_LEN }, port);
    const vorpal = new SteppingVorpal(stub, costs);
    stub.on('/v1/completions', vorpal.score).on('/v1/chat/completions', vorpal.chat);
    return vorpal;
  }

  get url(): string {
    return this.stub.url;
  }

  async stop(): Promise<void> {
    await this.stub.stop();
  }

  private readonly score: StubHandler = async ({ body, abandoned }, response) => {
    const prompts = (body.prompt as (string | number[])[]).map((prompt) =>
      typeof prompt === 'string' ? [...Buffer.from(prompt)] : prompt,
    );
    await Promise.all(prompts.map((ids) => this.run({ prefill: ids.length, generate: 1, isScoring: true }, abandoned)));
    sendJson(response, completion(prompts));
  };

  private readonly chat: StubHandler = async ({ body, abandoned }, response) => {
    const prefill = body.messages.reduce((sum, { content }) => sum + Buffer.byteLength(content), 0);
    if (prefill >= MAX_MODEL_LEN) {
      const message = `This model's maximum context length is ${MAX_MODEL_LEN} tokens. However, your prompt contains ${prefill} input tokens.`;
      sendJson(response, { error: { message, type: 'BadRequestError', param: 'input_tokens', code: 400 } }, 400);
      return;
    }
    const before = this.scoringTokens;
    await this.run({ prefill, generate: Number(body.max_tokens), isScoring: false }, abandoned);
    this.scoringTokensDuringChats.push(this.scoringTokens - before);
    sendJson(response, chatCompletion(body.model, 'Hello.'));
  };

  private async run(work: Omit<Job, 'done'>, abandoned: StubRequest['abandoned']): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const job: Job = {
      ...work,
      done: () => {
        resolve(undefined);
      },
    };
    void abandoned.then(() => {
      const place = this.jobs.indexOf(job);
      if (place >= 0) this.jobs.splice(place, 1);
    });
    this.jobs.push(job);
    if (!this.isRunning) void this.work();
    await promise;
  }

  private async work(): Promise<void> {
    this.isRunning = true;
    while (this.jobs.length > 0) await this.step();
    this.isRunning = false;
  }

  private async step(): Promise<void> {
    const generating = this.jobs.filter(({ prefill }) => prefill === 0);
    let room = TOKENS_PER_STEP - generating.length;
    const parts: [Job, number][] = [];
    for (const job of this.jobs) {
      const part = Math.min(job.prefill, room);
      if (part > 0) parts.push([job, part]);
      room -= part;
    }
    const prefilled = parts.reduce((sum, [, part]) => sum + part, 0);
    const takesMs = this.costs.msPerStep + prefilled * this.costs.msPerPrefillToken;
    await sleep(takesMs);
    this.workedMs += takesMs;
    for (const [job, part] of parts) {
      job.prefill -= part;
      if (job.isScoring) this.scoringTokens += part;
      // The step that ends a prompt's prefill generates its first token.
      if (job.prefill === 0) generating.push(job);
    }
    for (const job of generating) {
      job.generate -= 1;
      if (job.generate <= 0) this.finish(job);
    }
  }

  private finish(job: Job): void {
    const place = this.jobs.indexOf(job);
    if (place >= 0) this.jobs.splice(place, 1);
    job.done();
  }
}
