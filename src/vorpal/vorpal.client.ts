import { Inject, Injectable } from '@nestjs/common';
import { peekFirst, Semaphore } from '../shared/index.js';
import {
  type ChatCompletionChunk,
  chatCompletionChunkSchema,
  chatCompletionResponseSchema,
  type ChatMessage,
  completionResponseSchema,
  tokenizeResponseSchema,
} from '@archive-brain/vllm-protocol';
import { type ChatAnswer, readUsage } from './chat/chat-answer.js';
import { LoadMonitor } from './chat/load-monitor.js';
import {
  GENERATED_TOKENS,
  MAX_PROMPTS_PER_REQUEST,
  mostTokensIn,
  type PromptLogprobs,
  readPromptLogprobs,
  type ScoringPrompt,
} from './scoring/prompt-logprobs.js';
import { ScoringScheduler } from './scoring/scoring-scheduler.js';
import { EmbeddingsClient, type EmbedOptions, type TextEmbeddings } from './embeddings.client.js';
import { VorpalEndpoint } from './endpoint/vorpal-endpoint.js';
import { ChatHttp } from './http/chat-http.js';
import { VorpalHttp } from './http/vorpal-http.js';
import { type ModelInfo, ModelLookup } from './model-lookup.js';
import { VorpalOverloadedError } from './vorpal.errors.js';
import { vorpalSettings, type VorpalSettings } from './vorpal.settings.js';

export interface ChatOptions {
  readonly messages: readonly ChatMessage[];
  /** Not set: as many as the window leaves. */
  readonly maxTokens?: number;
  /** Not set: the server's own default for the model. */
  readonly temperature?: number;
  readonly signal?: AbortSignal;
}

/** How long a prompt is, as the server counts it. */
export interface ChatTokens {
  /** With what the model's template puts around the messages and before the answer. */
  readonly tokens: number;
  /** Prompt plus generated tokens that fit. */
  readonly maxModelLen: number;
}

interface CallOptions {
  readonly signal?: AbortSignal;
}

interface ModelOptions extends CallOptions {
  /** The ids of one model mean nothing to another: what is made of several calls names its model in each. */
  readonly model: string;
}

export interface ScorePromptsOptions extends ModelOptions {
  /** Goes ahead of those that wait, and does not rest for chats. */
  readonly isUrgent?: boolean;
  /** Of the request, from when it is sent; not set: `VORPAL_SCORING_TIMEOUT_MS`. */
  readonly timeoutMs?: number;
  /** By prompt, at least as many tokens as it has, for the budget; not set: as many as its bytes allow. */
  readonly sizes?: readonly number[];
  /** Called when the request is sent, with how many of the prompts it holds. */
  readonly onSent?: (prompts: number) => void;
}

interface TokenizeOptions extends Partial<ModelOptions> {
  readonly addSpecialTokens: boolean;
}

// After that time the number of chats is out of date.
const METRICS_TIMEOUT_MS = 500;

/**
 * The language-model server ("Vorpal"), over vLLM's HTTP protocol.
 *
 * All methods throw the named errors of `vorpal.errors.ts`, or an `AbortError` once `signal` is aborted, which also
 * ends the work on the server. Lone surrogates, which no tokenizer can encode, are sent as U+FFFD.
 */
@Injectable()
export class VorpalClient {
  private readonly lookup: ModelLookup;
  private readonly chatPermits: Semaphore;
  private readonly load: LoadMonitor;
  private readonly scoring: ScoringScheduler;
  private scoringTokensTotal = 0;

  constructor(
    // With a circuit of its own, for all that a chat needs: a server that fails at scoring may answer chats all the
    // same.
    private readonly chats: ChatHttp,
    private readonly http: VorpalHttp,
    private readonly embedding: EmbeddingsClient,
    endpoint: VorpalEndpoint,
    @Inject(vorpalSettings.KEY) private readonly settings: VorpalSettings,
  ) {
    const { model, connectTimeoutMs, chatConcurrency, scoringConcurrency, scoringMaxTokensPerRequest } = settings;
    this.lookup = new ModelLookup(chats, endpoint, model, connectTimeoutMs);
    this.chatPermits = new Semaphore(chatConcurrency);
    this.load = new LoadMonitor(() => http.askText('/metrics', METRICS_TIMEOUT_MS));
    const limits = { requests: scoringConcurrency, tokensPerRequest: scoringMaxTokensPerRequest };
    this.scoring = new ScoringScheduler(limits, this.load);
  }

  /** The models the server lists; the first is the one asked for if `VORPAL_MODEL` is not set. */
  async models(signal?: AbortSignal): Promise<ModelInfo[]> {
    return this.lookup.list(signal);
  }

  /**
   * The model that calls are made with.
   * @throws VorpalModelNotFoundError if the server does not list `VORPAL_MODEL`, or lists nothing
   */
  async model(signal?: AbortSignal): Promise<ModelInfo> {
    return this.lookup.current(signal);
  }

  /**
   * Runs `work` with the current model, and once more from the start if the server turns out to have another one
   * by now.
   */
  async withModel<T>(signal: AbortSignal | undefined, work: (model: ModelInfo) => Promise<T>): Promise<T> {
    return this.lookup.with(signal, work);
  }

  /** One answer. @throws VorpalOverloadedError at once if `CHAT_CONCURRENCY` chats are under way */
  async chat(options: ChatOptions): Promise<ChatAnswer> {
    const permit = this.takeChatPermit();
    const ended = this.load.chatBegins();
    const answer = await this.withModel(options.signal, ({ id }) =>
      this.chats.fetchJson(this.chatCall(id, options, false), chatCompletionResponseSchema),
    ).finally(() => {
      permit[Symbol.dispose]();
      ended();
    });
    const [choice] = answer.choices;
    return {
      text: choice?.message.content ?? '',
      model: answer.model,
      finishReason: choice?.finish_reason ?? null,
      usage: readUsage(answer),
    };
  }

  /**
   * One answer as it is generated; the last chunk may carry `usage` and no choices. The server is read only as fast as
   * the chunks are taken, and ending the iteration early ends the generation. The time limit applies to each silence.
   * @throws VorpalOverloadedError at once if `CHAT_CONCURRENCY` chats are under way
   */
  async *streamChat(options: ChatOptions): AsyncGenerator<ChatCompletionChunk, void> {
    const permit = this.takeChatPermit();
    const open = async ({ id }: ModelInfo) => {
      // The first chunk is awaited here so that a model that is gone is looked up again before anything was given out.
      return peekFirst(this.chats.streamJson(this.chatCall(id, options, true), chatCompletionChunkSchema));
    };
    const ended = this.load.chatBegins();
    try {
      yield* await this.withModel(options.signal, open);
    } finally {
      permit[Symbol.dispose]();
      ended();
    }
  }

  // One that waited here would hold a client's connection and its prompt, and be answered after its person had left.
  private takeChatPermit(): Disposable {
    const permit = this.chatPermits.tryAcquire();
    if (permit) return permit;
    const { chatConcurrency } = this.settings;
    throw new VorpalOverloadedError(
      `Vorpal answers ${chatConcurrency} chats already, the most at once; try again later.`,
    );
  }

  /** The tokens that a chat's prompt takes of the window. */
  async countChatTokens(messages: readonly ChatMessage[], { signal }: CallOptions = {}): Promise<ChatTokens> {
    const timeoutMs = this.settings.connectTimeoutMs;
    const { count, max_model_len: maxModelLen } = await this.withModel(signal, ({ id }) => {
      const body = { model: id, messages: messages.map(wellFormedMessage) };
      const call = { path: '/tokenize', body, isControl: true, timeoutMs, signal };
      return this.chats.fetchJson(call, tokenizeResponseSchema);
    });
    return { tokens: count, maxModelLen };
  }

  /** Token ids of `text`. `addSpecialTokens` puts the model's BOS, if it has one, before them. */
  async tokenize(text: string, options: TokenizeOptions): Promise<number[]> {
    const { tokens } = await this.askTokenizer({ add_special_tokens: options.addSpecialTokens }, text, options);
    return tokens;
  }

  /** The tokens of `text` as the model's vocabulary spells them; `null` from a server that does not say. */
  async tokenPieces(text: string, options: Partial<ModelOptions> = {}): Promise<string[] | null> {
    const wanted = { add_special_tokens: false, return_token_strs: true };
    const { token_strs: pieces } = await this.askTokenizer(wanted, text, options);
    return pieces ?? null;
  }

  private askTokenizer(wanted: object, text: string, { model, signal }: Partial<ModelOptions>) {
    const timeoutMs = this.settings.connectTimeoutMs;
    const ask = async ({ id }: { id: string }) => {
      const body = { model: id, prompt: text.toWellFormed(), ...wanted };
      const call = { path: '/tokenize', body, timeoutMs, signal };
      return this.http.fetchJson(call, tokenizeResponseSchema);
    };
    return model === undefined ? this.withModel(signal, ask) : ask({ id: model });
  }

  /**
   * The log-probabilities of the prompts' own tokens, in one request; nothing is generated that anybody sees. It waits
   * for its turn ({@link ScoringScheduler}) and then holds as many of the first prompts as the moment allows, at least
   * one: so many results come back, and the caller asks again for the others.
   */
  async scorePrompts(prompts: readonly ScoringPrompt[], options: ScorePromptsOptions): Promise<PromptLogprobs[]> {
    const { model, signal, isUrgent, onSent, timeoutMs = this.settings.scoringTimeoutMs } = options;
    const sizes = (options.sizes ?? prompts.map(mostTokensIn)).slice(0, MAX_PROMPTS_PER_REQUEST);
    return this.scoring.run({ sizes, signal, isUrgent }, async (count) => {
      const sent = prompts.slice(0, count);
      const body = {
        model,
        prompt: sent.map((prompt) => (typeof prompt === 'string' ? prompt.toWellFormed() : prompt)),
        echo: true,
        logprobs: 0,
        max_tokens: GENERATED_TOKENS,
        temperature: 0,
      };
      const call = { path: '/v1/completions', body, timeoutMs, signal };
      onSent?.(count);
      const answer = await this.http.fetchJson(call, completionResponseSchema);
      this.scoringTokensTotal += answer.usage?.total_tokens ?? 0;
      return readPromptLogprobs(answer, sent);
    });
  }

  /** The tokens of the language model that scoring has used so far, by the server's count (`usage`). */
  get scoringTokens(): number {
    return this.scoringTokensTotal;
  }

  /** Tokens of scoring requests at the server now, and most at once while no chat is under way. */
  get scoringLoad(): { readonly tokensInFlight: number; readonly tokenLimit: number } {
    return { tokensInFlight: this.scoring.tokensInFlight, tokenLimit: this.scoring.limit };
  }

  /** One vector per text, all of the same dimension and model, in their order. */
  async embed(texts: readonly string[], options: EmbedOptions = {}): Promise<TextEmbeddings> {
    return this.embedding.embed(texts, options);
  }

  /** Tokens of one text that the embedding model reads. */
  async embeddingWindowTokens(signal?: AbortSignal): Promise<number> {
    return this.embedding.windowTokens(signal);
  }

  /** For health checks: asks the server now whether a chat would reach it, and says which model answers. */
  async check(signal?: AbortSignal): Promise<ModelInfo> {
    await this.chats.checkAlive(signal);
    return this.model(signal);
  }

  /** How long chats have reached the server, as far as is known; 0 while they fail at once. */
  get chatsHealthyForMs(): number {
    return this.chats.healthyForMs;
  }

  /** For health checks: asks now whether the embeddings server is alive and embeds. */
  async checkEmbeddings(signal?: AbortSignal): Promise<void> {
    await this.embedding.check(signal);
  }

  /** How long calls have reached the embeddings server, as far as is known; 0 while they fail at once. */
  get embeddingsHealthyForMs(): number {
    return this.embedding.healthyForMs;
  }

  private chatCall(model: string, { messages, maxTokens, temperature, signal }: ChatOptions, stream: boolean) {
    const body = {
      model,
      messages: messages.map(wellFormedMessage),
      max_tokens: maxTokens,
      temperature,
      ...(stream && { stream, stream_options: { include_usage: true } }),
    };
    const timeoutMs = this.settings.chatTimeoutMs;
    return { path: '/v1/chat/completions', body, timeoutMs, signal };
  }
}

function wellFormedMessage(message: ChatMessage): ChatMessage {
  const { content } = message;
  if (typeof content === 'string') return { ...message, content: content.toWellFormed() };
  return { ...message, content: content?.map((part) => ({ ...part, text: part.text.toWellFormed() })) };
}
