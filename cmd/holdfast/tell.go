package main

import (
	"context"
	"io"

	"holdfast/services/notify"
	"holdfast/services/voicemail"
	"holdfast/services/voicemail/voicemailsql"
	"holdfast/tenants"
)

// newOutbox makes what tells people by mail, with what an earlier process of this node left unsent. It needs this node's
// disk only, and a mail server.
func newOutbox(n *node) *notify.Outbox {
	return notify.New(notify.Config{
		Dir: n.settings.dir("outbox"), Domain: n.settings.mailFrom, Senders: n.settings.mailers, Journal: n.journal,
		Stories: n.journal.OpenStories(), Attach: n.attachAudio, Settled: func(about notify.Notice, how notify.Outcome) { n.tickets.Settled(about, how) }, Log: n.log,
	})
}

// newHerald makes what has people told of voicemails.
func newHerald(n *node) *voicemail.Herald {
	return voicemail.NewHerald(voicemail.HeraldConfig{
		Journal: n.journal, Book: n.book, Teller: n.outbox, PublicURL: n.settings.PublicURL, Log: n.log,
	})
}

// newReminder makes what reminds tenants of voicemails that nobody handles.
func newReminder(n *node) *voicemail.Reminder {
	return voicemail.NewReminder(voicemail.ReminderConfig{
		Waiting: voicemailsql.Waiting{DB: n.stores.db}, Book: n.book, Teller: n.outbox, PublicURL: n.settings.PublicURL, Log: n.log,
	})
}

// audioBytes is how much audio goes with a mail: two minutes. Mail servers refuse much more than that; longer messages are
// behind the link.
const audioBytes = 2 << 20

// attachAudio finds the recording that goes with a mail, where the account wants that.
func (n *node) attachAudio(_ context.Context, about notify.Notice) *notify.Attachment {
	id := tenants.VoicemailID(about.Data[voicemail.DataAudio])
	if about.Kind != notify.Voicemail || id == "" {
		return nil
	}
	audio, err := n.tapes.Open(about.Tenant, id)
	if err != nil {
		n.log.Warn("a voicemail's audio does not go with its mail", "voicemail", string(id), "err", err)
		return nil
	}
	defer func() { _ = audio.Close() }() // it was read
	data, err := io.ReadAll(io.LimitReader(audio, audioBytes+1))
	if err != nil || len(data) > audioBytes {
		return nil
	}
	return &notify.Attachment{Name: "voicemail.wav", Type: "audio/wav", Data: data}
}
