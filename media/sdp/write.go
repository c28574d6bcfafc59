package sdp

import (
	"bytes"
	"fmt"

	"holdfast/media"
)

// format is a payload type and what it carries.
type format struct {
	number uint8
	codec  media.Codec
}

// writer builds a description line by line.
type writer struct {
	buf bytes.Buffer
}

func (w *writer) printf(layout string, args ...any) {
	fmt.Fprintf(&w.buf, layout+"\r\n", args...)
}

func (w *writer) bytes() []byte { return w.buf.Bytes() }

// header writes the session's own lines. No user, session name or software is told.
func header(local Local, timing string) *writer {
	w := &writer{}
	family := "IP4"
	if local.Addr.Addr().Is6() {
		family = "IP6"
	}
	w.printf("v=0")
	w.printf("o=- %d %d IN %s %s", local.SessionID, local.Version, family, local.Addr.Addr())
	w.printf("s=-")
	w.printf("c=IN %s %s", family, local.Addr.Addr())
	w.printf("t=%s", timing)
	return w
}

// audio writes our media line; event 0 leaves telephone-event out, and no keys leave it unencrypted.
func (w *writer) audio(local Local, proto string, formats []format, event uint8, d direction, keys ...Key) {
	fmt.Fprintf(&w.buf, "m=audio %d %s", local.Addr.Port(), proto)
	for _, f := range formats {
		fmt.Fprintf(&w.buf, " %d", f.number)
	}
	if event != 0 {
		fmt.Fprintf(&w.buf, " %d", event)
	}
	w.printf("")
	for _, f := range formats {
		w.printf("a=rtpmap:%d %s/%d", f.number, f.codec, media.SampleRate)
	}
	if event != 0 {
		w.printf("a=rtpmap:%d %s", event, eventName)
		w.printf("a=fmtp:%d %s", event, eventFmtp)
	}
	for _, k := range keys {
		w.printf("a=%s", k.write())
	}
	w.printf("a=ptime:%d", media.FrameTime.Milliseconds())
	w.printf("a=%s", d)
}
