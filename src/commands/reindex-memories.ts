// npm run memories:reindex
//
// Indexes the words of memories that an earlier version of the program stored. It can be interrupted and run again, and
// brains may keep running.
import 'reflect-metadata';
import { parseArgs } from 'node:util';
import { ReindexService } from '../memory/index.js';
import { runLongCommand } from './long-command.js';

await runLongCommand({
  name: 'Reindex',
  doing: 'indexing memories',
  failed: 'The memories could not be indexed; run the command again to go on.',
  run: async (app, work) => {
    parseArgs({ options: {} });
    const memories = await app.get(ReindexService).run(work);
    return memories === 0
      ? 'Nothing to do: all memories are found by their words already.'
      : `${memories} memories indexed; all are found by their words now.`;
  },
});
