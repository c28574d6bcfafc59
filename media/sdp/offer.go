package sdp

// Description is a parsed session description; see [Parse].
type Description struct{}

// Parse reads a body.
func Parse(body []byte) (Description, error) { panic("not yet") }

// Answer answers an offer (RFC 3264 section 6).
func Answer(offer Description, local Local) ([]byte, Media, error) { panic("not yet") }

// Offer describes our side when we speak first.
func Offer(local Local) []byte { panic("not yet") }

// Accept reads the peer's answer to an Offer made with the same local.
func Accept(answer Description, local Local) (Media, error) { panic("not yet") }
