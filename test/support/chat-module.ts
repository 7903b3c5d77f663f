import { Test } from '@nestjs/testing';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ChatModule } from '../../src/chat/index.js';
import { ChatService } from '../../src/chat/chat.service.js';
import { ConfigModule } from '../../src/config/index.js';
import { readSettings } from '../../src/settings.js';
import { LifecycleModule } from '../../src/infra/lifecycle/index.js';
import { StorageModule } from '../../src/infra/storage/index.js';
import { Embedder, MemoryStore, RecallService } from '../../src/memory/index.js';
import { ForgetService } from '../../src/memory/api/forget.service.js';
import { ImportService } from '../../src/memory/maintenance/import.service.js';
import { MemoryService } from '../../src/memory/api/memory.service.js';
import { SessionService, SessionStore } from '../../src/sessions/index.js';
import { CaptureService, InputStream } from '../../src/stream/index.js';

// What is tested is what is done; on a busy machine the default deadlines would pass first.
const PATIENT = {
  RECALL_TIMEOUT_MS: '60000',
  SESSION_READ_TIMEOUT_MS: '60000',
  VORPAL_RETRIES: '0',
  VORPAL_BREAKER_FAILURES: '100',
};

/**
 * The chat as the brain has it, with stores in a folder of its own, and a Vorpal at `vorpalUrl` that embeds as well.
 */
export async function startChatModule(vorpalUrl: string, environment: NodeJS.ProcessEnv = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'chat-'));
  const settings = { BRAIN_DATA_DIR: folder, VORPAL_URL: vorpalUrl, EMBEDDINGS_URL: vorpalUrl };
  const module = await Test.createTestingModule({
    imports: [
      ConfigModule.forRoot(readSettings({ ...PATIENT, ...settings, ...environment })),
      LifecycleModule,
      StorageModule,
      ChatModule,
    ],
  }).compile();
  await module.init();
  return {
    chat: module.get(ChatService),
    recall: module.get(RecallService, { strict: false }),
    memories: module.get(MemoryService, { strict: false }),
    importing: module.get(ImportService, { strict: false }),
    forgetting: module.get(ForgetService, { strict: false }),
    store: module.get(MemoryStore, { strict: false }),
    embedder: module.get(Embedder, { strict: false }),
    sessions: module.get(SessionService, { strict: false }),
    sessionStore: module.get(SessionStore, { strict: false }),
    capture: module.get(CaptureService, { strict: false }),
    stream: module.get(InputStream, { strict: false }),
    close: async (): Promise<void> => {
      await module.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export type ChatParts = Awaited<ReturnType<typeof startChatModule>>;
