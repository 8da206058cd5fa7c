// A mail server that others wrote, which keeps what it is given. Owns receiving and reading mails. Must not know what is in them.

import { setTimeout as pause } from "node:timers/promises";

import { simpleParser } from "mailparser";
import { SMTPServer } from "smtp-server";

/// Takes every mail on a free port of loopback.
export class Postbox {
  static async open() {
    const box = new Postbox();
    box.mails = [];
    box.server = new SMTPServer({
      disabledCommands: ["STARTTLS", "AUTH"],
      onData(stream, session, done) {
        simpleParser(stream).then((mail) => {
          box.mails.push({ mail, to: session.envelope.rcptTo.map((one) => one.address), from: session.envelope.mailFrom.address });
          done();
        }, done);
      },
    });
    await new Promise((ready) => box.server.listen(0, "127.0.0.1", ready));
    box.address = `127.0.0.1:${box.server.server.address().port}`;
    return box;
  }

  /// The next mail to this address whose subject has this in it.
  async next(to, subject = "") {
    const fits = (one) => one.to.includes(to) && one.mail.subject.includes(subject);
    for (const end = Date.now() + 60_000; Date.now() < end; await pause(50)) {
      const at = this.mails.findIndex(fits);
      if (at >= 0) return this.mails.splice(at, 1)[0];
    }
    throw new Error(`no mail to ${to} about ${subject}; there were: ${this.mails.map((one) => one.mail.subject).join(", ")}`);
  }

  close() {
    return new Promise((closed) => this.server.close(closed));
  }
}
