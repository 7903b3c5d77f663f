// npm run memories:reembed [-- --again]
//
// Moves all memories to the embedding model of the settings; with --again embeds them anew with the same model. It
// can be interrupted and run again.
import 'reflect-metadata';
import { parseArgs } from 'node:util';
import { ReembedService } from '../memory/index.js';
import { VorpalClient, waitForVorpal } from '../vorpal/index.js';
import { runLongCommand } from './long-command.js';

await runLongCommand({
  name: 'Reembed',
  doing: 'embedding memories',
  failed: 'The memories could not be embedded anew; run the command again to go on.',
  run: async (app, work) => {
    const { again } = parseArgs({ options: { again: { type: 'boolean', default: false } } }).values;
    await waitForVorpal(app.get(VorpalClient));
    const { kind, space, memories } = await app.get(ReembedService).run({ ...work, again });
    return kind === 'unchanged'
      ? `Nothing to do: the memories are of ${space.model} already (--again embeds them once more).`
      : `${memories} memories embedded anew; the store is of ${space.model} (${space.dimensions} dimensions) now.`;
  },
});
