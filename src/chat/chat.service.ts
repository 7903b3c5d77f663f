import { Injectable } from '@nestjs/common';
import { Settings } from '../config/index.js';
import { assertTextLength } from '../http/index.js';
import { type FoundMemory, RecallService } from '../memory/index.js';
import { contextOf, SessionService, type Turn } from '../sessions/index.js';
import { begun, newId } from '../shared/index.js';
import { CaptureService } from '../stream/index.js';
import { type ChatAnswer, StreamedAnswer, VorpalClient, VorpalContextLengthError } from '../vorpal/index.js';
import { buildPrompt, type PromptMessage } from './chat-prompt.js';
import type { ChatEvent, ChatRequest, ChatResponse } from './chat.schema.js';

/** A message on its way to an answer. */
interface Conversation {
  readonly message: string;
  readonly userId: string;
  readonly sessionId: string;
  readonly receivedAtMs: number;
  readonly isPrivate: boolean;
  /** What was said before, oldest first. */
  readonly turns: readonly Turn[];
  readonly memories: readonly FoundMemory[] | null;
}

@Injectable()
export class ChatService {
  constructor(
    private readonly capture: CaptureService,
    private readonly sessions: SessionService,
    private readonly recall: RecallService,
    private readonly vorpal: VorpalClient,
    private readonly settings: Settings,
  ) {}

  /**
   * Captures the message and answers it with Vorpal, given the conversation so far and what is remembered of its user.
   * Neither the capture, nor the session, nor recall fails the answer, and the message is captured whether or not Vorpal
   * can answer.
   * @throws TextTooLongError before anything is captured; any of the Vorpal errors afterwards
   */
  async answer(request: ChatRequest, traceparent: string | undefined, signal: AbortSignal): Promise<ChatResponse> {
    const conversation = await this.begin(request, traceparent, signal);
    const answer = await this.fitting(conversation, signal, (messages) =>
      this.vorpal.chat({ messages, signal, ...this.limits }),
    );
    return this.complete(conversation, answer);
  }

  /**
   * The same, piece by piece as Vorpal generates it; the last event is the whole answer. The session gets question and
   * answer once the answer is complete: of one that was broken off it keeps nothing.
   */
  async *stream(
    request: ChatRequest,
    traceparent: string | undefined,
    signal: AbortSignal,
  ): AsyncGenerator<ChatEvent, void> {
    const conversation = await this.begin(request, traceparent, signal);
    const chunks = await this.fitting(conversation, signal, (messages) =>
      begun(this.vorpal.streamChat({ messages, signal, ...this.limits })),
    );
    const answer = new StreamedAnswer();
    for await (const chunk of chunks) {
      const text = answer.add(chunk);
      if (text !== '') yield { type: 'delta', text };
    }
    yield { type: 'done', ...(await this.complete(conversation, answer.whole)) };
  }

  private get limits() {
    const { maxTokens, temperature } = this.settings.chat;
    return { maxTokens, temperature };
  }

  private async begin(
    request: ChatRequest,
    traceparent: string | undefined,
    signal: AbortSignal,
  ): Promise<Conversation> {
    const { message, user_id: userId, memory: withMemory } = request;
    assertTextLength('message', message, this.settings.chat.messageMaxCharacters);
    const sessionId = request.session_id ?? newId();
    const receivedAtMs = Date.now();
    const recalling = withMemory ? this.recall.recall(userId, message, signal) : Promise.resolve([]);
    const turns = request.session_id === undefined ? [] : await this.sessions.turns(userId, sessionId);
    if (withMemory) {
      const context = contextOf(turns, 'user', this.settings.sessions);
      const entry = {
        id: newId(),
        message,
        timestampMs: receivedAtMs,
        userId,
        sessionId,
        role: 'user',
        context,
      } as const;
      this.capture.capture({ ...entry, traceparent });
    }
    const recalled = await recalling;
    const memories = recalled?.filter(({ memory }) => !wasJustSaid(memory.text, message, turns)) ?? null;
    return { message, userId, sessionId, receivedAtMs, isPrivate: !withMemory, turns, memories };
  }

  /** Asks with as much of the conversation as should fit, and once more with the message alone if it does not. */
  private async fitting<T>(
    { message, turns, memories }: Conversation,
    signal: AbortSignal,
    ask: (messages: readonly PromptMessage[]) => Promise<T>,
  ): Promise<T> {
    const { systemPrompt, maxTokens: answerTokens } = this.settings.chat;
    const { maxModelLen } = await this.vorpal.model(signal);
    const attempt = (maxTokens: number): Promise<T> =>
      ask(buildPrompt({ systemPrompt, memories: memories ?? [], turns, message, maxTokens }));
    try {
      return await attempt(maxModelLen - answerTokens);
    } catch (error) {
      // The estimate was too low for this text: the message alone may still fit.
      if (!(error instanceof VorpalContextLengthError) || turns.length === 0) throw error;
      return attempt(0);
    }
  }

  private async complete(conversation: Conversation, { text, model, usage }: ChatAnswer): Promise<ChatResponse> {
    const { message, userId, sessionId, receivedAtMs, isPrivate, memories } = conversation;
    await this.sessions.append(userId, sessionId, [
      { role: 'user', text: message, atMs: receivedAtMs, isPrivate },
      { role: 'assistant', text, atMs: Date.now(), isPrivate },
    ]);
    return {
      response: text,
      engine: 'vorpal',
      model,
      session_id: sessionId,
      memories: memories?.map(toRecalledMemory) ?? null,
      usage,
    };
  }
}

/** The model has these words before it already; a memory of them would only take room. */
function wasJustSaid(text: string, message: string, turns: readonly Turn[]): boolean {
  return text === message || turns.some((turn) => turn.text === text);
}

const toRecalledMemory = ({ memory: { id, text }, similarity }: FoundMemory) => ({ id, text, similarity });
