import { Inject, Injectable } from '@nestjs/common';
import { chatSettings, type ChatSettings } from '../chat.settings.js';
import { BrainError } from '../../shared/index.js';
import {
  type ChatAnswer,
  type ChatTokens,
  VorpalAnswerLengthError,
  VorpalClient,
  VorpalContextLengthError,
} from '../../vorpal/index.js';
import { buildPrompt, type ChatPrompt, messageAlone, mostTokens, type PromptParts, shouldFit } from './chat-prompt.js';

interface PlannedPrompt extends ChatPrompt {
  readonly windowTokens: number;
}

/**
 * Makes a conversation fit the model's window, with at most three requests: one that should fit by an estimate; if the
 * server finds it too long, a count of the message's tokens; and one that fits for certain. Memories are left out
 * first, then turns from the oldest on. At last the answer is shortened.
 */
@Injectable()
export class PromptFitter {
  constructor(
    private readonly vorpal: VorpalClient,
    @Inject(chatSettings.KEY) private readonly settings: ChatSettings,
  ) {}

  /**
   * Calls `ask` with the largest prompt that the server accepts. @returns its result, and that prompt
   * @throws VorpalContextLengthError if the message alone leaves no room for an answer; else what `ask` throws
   */
  async fit<T extends { readonly answer: ChatAnswer }>(
    parts: PromptParts,
    signal: AbortSignal,
    ask: (prompt: ChatPrompt) => Promise<T>,
  ): Promise<T & { readonly prompt: ChatPrompt }> {
    let refusal: Error | undefined;
    for await (const prompt of this.prompts(parts, signal)) {
      try {
        const result = await ask(prompt);
        if (!isCutByWindow(result.answer, prompt.windowTokens)) return { ...result, prompt };
        refusal = noRoomLeft(prompt.windowTokens);
      } catch (error) {
        if (!isRefusedForLength(error)) throw error;
        refusal = error;
      }
    }
    throw refusal ?? new Error('There was no prompt to try');
  }

  /** Each is smaller than the one before it. */
  private async *prompts(parts: PromptParts, signal: AbortSignal): AsyncGenerator<PlannedPrompt, void> {
    const answerTokens = this.settings.maxTokens;
    const { maxModelLen: windowTokens } = await this.vorpal.model(signal);
    const isExpectedToFit = shouldFit(parts, { windowTokens, answerTokens });
    if (isExpectedToFit) yield { ...buildPrompt(parts, { windowTokens, answerTokens }), windowTokens };

    const counted = await this.count(parts, signal);
    if (counted === undefined) {
      yield { messages: messageAlone(parts), memories: [], windowTokens };
      return;
    }
    const budget = { windowTokens: counted.maxModelLen, answerTokens, aloneTokens: counted.tokens };
    if (budget.aloneTokens >= budget.windowTokens) throw tooLong(counted);
    if (!isExpectedToFit) {
      const prompt = buildPrompt(parts, budget);
      yield { ...prompt, windowTokens: budget.windowTokens };
      if (isAlone(prompt)) return;
    }
    yield {
      ...buildPrompt({ ...parts, memories: [] }, budget, mostTokens),
      windowTokens: budget.windowTokens,
    };
  }

  /** `undefined` where the server does not count; it then limits the answer by itself. */
  private async count(parts: PromptParts, signal: AbortSignal): Promise<ChatTokens | undefined> {
    try {
      return await this.vorpal.countChatTokens(messageAlone(parts), { signal });
    } catch (error) {
      // Whatever else is wrong with the server, the chat itself finds out and says.
      if (error instanceof BrainError && !(error instanceof VorpalContextLengthError)) return undefined;
      throw error;
    }
  }
}

/**
 * Newer versions of vLLM shorten an answer to the rest of a nearly full window, which may leave no room for one word.
 */
function isCutByWindow({ text, finishReason, usage }: ChatAnswer, windowTokens: number): boolean {
  return text === '' && finishReason === 'length' && usage !== null && usage.total_tokens >= windowTokens - 1;
}

/** The second kind says that the answer alone is longer than the window, which the model has come back with by now. */
const isRefusedForLength = (error: unknown): error is VorpalContextLengthError | VorpalAnswerLengthError =>
  error instanceof VorpalContextLengthError || error instanceof VorpalAnswerLengthError;

const isAlone = ({ messages, memories }: ChatPrompt): boolean => messages.length === 2 && memories.length === 0;

const tooLong = ({ tokens, maxModelLen }: ChatTokens): VorpalContextLengthError =>
  new VorpalContextLengthError(
    `The message and the system prompt have ${tokens} tokens, and the model's window holds ${maxModelLen}. ` +
      'Send a shorter message.',
  );

const noRoomLeft = (windowTokens: number): VorpalContextLengthError =>
  new VorpalContextLengthError(
    `The message leaves no room for an answer in the model's window of ${windowTokens} tokens. Send a shorter message.`,
  );
