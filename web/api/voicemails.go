package api

import (
	"context"
	"io"
	"net/http"
	"time"

	"holdfast/tenants"
)

// ListVoicemails lists kept messages.
func (h *handlers) ListVoicemails(ctx context.Context, r ListVoicemailsRequestObject) (ListVoicemailsResponseObject, error) {
	if h.Voicemails == nil {
		return nil, ErrAway
	}
	actor := traceOf(ctx).actor
	f := VoicemailFilter{State: value(r.Params.State), Only: h.only(actor), Cursor: value(r.Params.Cursor), Limit: size(r.Params.Limit)}
	found, err := h.Voicemails.ListVoicemails(ctx, actor.Tenant, f)
	if err != nil {
		return nil, err
	}
	found.Items = list(found.Items)
	for i := range found.Items {
		found.Items[i].AudioURL = audioURL(found.Items[i].ID)
	}
	return ListVoicemails200JSONResponse(found), nil
}

// GetVoicemail finds one.
func (h *handlers) GetVoicemail(ctx context.Context, r GetVoicemailRequestObject) (GetVoicemailResponseObject, error) {
	v, err := h.voicemail(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	return GetVoicemail200JSONResponse(v), nil
}

// voicemail asks the database: it says whose the message is, before anything else is done with it.
func (h *handlers) voicemail(ctx context.Context, raw string) (Voicemail, error) {
	id, err := tenants.ParseUUID(raw)
	if err != nil {
		return Voicemail{}, notFound()
	}
	if h.Voicemails == nil {
		return Voicemail{}, ErrAway
	}
	actor := traceOf(ctx).actor
	v, err := h.Voicemails.GetVoicemail(ctx, actor.Tenant, tenants.VoicemailID(id))
	if err != nil {
		return Voicemail{}, err
	}
	if !h.answers(actor, tenants.AccountID(v.Account)) {
		return Voicemail{}, notFound()
	}
	v.AudioURL = audioURL(v.ID)
	return v, nil
}

// PatchVoicemail marks one as heard, handled or urgent.
func (h *handlers) PatchVoicemail(ctx context.Context, r PatchVoicemailRequestObject) (PatchVoicemailResponseObject, error) {
	before, err := h.voicemail(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	v, err := h.Voicemails.MarkVoicemail(ctx, traceOf(ctx).actor, tenants.VoicemailID(before.ID), *r.Body)
	if err != nil {
		return nil, err
	}
	v.AudioURL = audioURL(v.ID)
	return PatchVoicemail200JSONResponse(v), nil
}

func audioURL(id string) string { return base + "/voicemails/" + id + "/audio" }

// GetVoicemailAudio sends the recording, or the bytes of it that were asked for.
func (h *handlers) GetVoicemailAudio(ctx context.Context, r GetVoicemailAudioRequestObject) (GetVoicemailAudioResponseObject, error) {
	v, err := h.voicemail(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	if h.Recordings == nil {
		return nil, ErrAway
	}
	t := traceOf(ctx)
	audio, err := h.Recordings.OpenRecording(ctx, t.actor.Tenant, tenants.VoicemailID(v.ID))
	if err != nil {
		return nil, err
	}
	return wav{audio: audio, id: v.ID, at: v.At, request: t.request}, nil
}

// wav answers with ranges, which the generated responses cannot.
type wav struct {
	audio   io.ReadSeekCloser
	id      string
	at      time.Time
	request *http.Request
}

// VisitGetVoicemailAudioResponse writes the whole, or the ranges of RFC 9110 section 14. The audio never changes, so its
// id is its ETag; it is kept by no cache that others share.
func (a wav) VisitGetVoicemailAudioResponse(w http.ResponseWriter) error {
	defer func() { _ = a.audio.Close() }() // read only
	head := w.Header()
	head.Set("Content-Type", "audio/wav")
	head.Set("Content-Disposition", `attachment; filename="voicemail-`+a.id+`.wav"`)
	head.Set("ETag", `"`+a.id+`"`)
	head.Set("Cache-Control", "private, no-store")
	http.ServeContent(w, a.request, "", a.at, a.audio)
	return nil
}
