import { Logger, Module, type OnModuleInit } from '@nestjs/common';
import { Settings } from '../config/index.js';
import { describeError } from '../shared/index.js';
import { abandonedNames, spoolsFolder } from './spool/index.js';

/** For a process that does not capture: it sends nothing of what waits on the disk, and says so. */
@Module({})
export class SpoolLeftoversModule implements OnModuleInit {
  private readonly logger = new Logger('Spool');

  constructor(private readonly settings: Settings) {}

  async onModuleInit(): Promise<void> {
    const { dataDir, role } = this.settings.server;
    const folder = spoolsFolder(dataDir);
    try {
      const names = await abandonedNames(folder);
      if (names.length === 0) return;
      this.logger.warn(
        `${folder} holds messages captured under ${names.join(', ')}, which BRAIN_ROLE=${role} does not send. Start a ` +
          'brain with BRAIN_ROLE=api and STREAM_CONSUMER set to each name once, and they are sent',
      );
    } catch (error) {
      this.logger.debug(`Could not look for messages in ${folder}: ${describeError(error)}`);
    }
  }
}
