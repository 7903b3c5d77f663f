import { Inject, Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { chatSettings, type ChatSettings } from './chat.settings.js';
import { fullJitterBackoffMs, sleep } from '../shared/index.js';
import { type ModelInfo, VorpalClient } from '../vorpal/index.js';

// The first run fetches the model, which takes minutes; whoever waits for this line waits for the model anyway.
const POLL_BACKOFF = { initialMs: 1_000, maxMs: 10_000 };

/** Says once, as soon as Vorpal tells its window, that `CHAT_MAX_TOKENS` asks for more than a window holds. */
@Injectable()
export class AnswerLimit implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly logger = new Logger('Chat');
  private readonly stopping = new AbortController();
  private watching: Promise<void> | undefined;

  constructor(
    private readonly vorpal: VorpalClient,
    @Inject(chatSettings.KEY) private readonly settings: ChatSettings,
  ) {}

  onApplicationBootstrap(): void {
    this.watching = this.watch();
  }

  async onModuleDestroy(): Promise<void> {
    this.stopping.abort();
    await this.watching;
  }

  private async watch(): Promise<void> {
    const { signal } = this.stopping;
    for (let failures = 0; !signal.aborted; failures++) {
      try {
        this.compare(await this.vorpal.check(signal));
        return;
      } catch {
        // Chats and the health checks say what is wrong with the server.
        await sleep(fullJitterBackoffMs(failures, POLL_BACKOFF), signal);
      }
    }
  }

  private compare({ id, maxModelLen: windowTokens }: ModelInfo): void {
    const { maxTokens } = this.settings;
    if (maxTokens < windowTokens) return;
    this.logger.warn(
      `CHAT_MAX_TOKENS is ${maxTokens}, and the window of ${id} holds ${windowTokens} tokens, prompt included: ` +
        'answers get what the window leaves. Lower the setting, or start the model with a larger window.',
    );
  }
}
