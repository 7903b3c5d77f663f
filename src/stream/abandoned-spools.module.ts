import { Inject, Logger, Module, type OnModuleInit } from '@nestjs/common';
import { storageSettings, type StorageSettings } from '../infra/storage/index.js';
import { describeError } from '../shared/index.js';
import { abandonedNames, spoolsFolder } from './spool/index.js';

/** For a process that does not capture: warns of spooled messages on the disk, which it does not send. */
@Module({})
export class AbandonedSpoolsModule implements OnModuleInit {
  private readonly logger = new Logger('Spool');

  constructor(@Inject(storageSettings.KEY) private readonly settings: StorageSettings) {}

  async onModuleInit(): Promise<void> {
    const { dataDir, role } = this.settings;
    const folder = spoolsFolder(dataDir);
    try {
      const names = await abandonedNames(folder);
      if (names.length === 0) return;
      this.logger.warn(
        `${folder} holds messages captured under ${names.join(', ')}, which BRAIN_ROLE=${role} does not send. ` +
          'Start a brain once with BRAIN_ROLE=api and STREAM_CONSUMER set to each name to send them',
      );
    } catch (error) {
      this.logger.debug(`Cannot look for messages in ${folder}: ${describeError(error)}`);
    }
  }
}
