import { Injectable } from '@nestjs/common';
import { Settings } from '../config/index.js';
import { assertTextLength } from '../http/index.js';
import { type FoundMemory, RecallService } from '../memory/index.js';
import { contextOf, SessionService, type Turn } from '../sessions/index.js';
import { newId } from '../shared/index.js';
import { CaptureService } from '../stream/index.js';
import { type ChatAnswer, VorpalClient, VorpalContextLengthError } from '../vorpal/index.js';
import { buildPrompt } from './chat-prompt.js';
import type { ChatRequest, ChatResponse } from './chat.schema.js';

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
    const answer = await this.ask(message, memories ?? [], turns, signal);
    await this.sessions.append(userId, sessionId, [
      { role: 'user', text: message, atMs: receivedAtMs, isPrivate: !withMemory },
      { role: 'assistant', text: answer.text, atMs: Date.now(), isPrivate: !withMemory },
    ]);
    return {
      response: answer.text,
      engine: 'vorpal',
      model: answer.model,
      session_id: sessionId,
      memories: memories?.map(toRecalledMemory) ?? null,
      usage: answer.usage,
    };
  }

  private async ask(
    message: string,
    memories: readonly FoundMemory[],
    turns: readonly Turn[],
    signal: AbortSignal,
  ): Promise<ChatAnswer> {
    const { systemPrompt, maxTokens, temperature } = this.settings.chat;
    const { maxModelLen } = await this.vorpal.model(signal);
    const attempt = (promptTokens: number): Promise<ChatAnswer> => {
      const messages = buildPrompt({ systemPrompt, memories, turns, message, maxTokens: promptTokens });
      return this.vorpal.chat({ messages, maxTokens, temperature, signal });
    };
    try {
      return await attempt(maxModelLen - maxTokens);
    } catch (error) {
      // The estimate was too low for this text: the message alone may still fit.
      if (!(error instanceof VorpalContextLengthError) || turns.length === 0) throw error;
      return attempt(0);
    }
  }
}

/** The model has these words before it already; a memory of them would only take room. */
function wasJustSaid(text: string, message: string, turns: readonly Turn[]): boolean {
  return text === message || turns.some((turn) => turn.text === text);
}

const toRecalledMemory = ({ memory: { id, text }, similarity }: FoundMemory) => ({ id, text, similarity });
