// Package sdp describes one audio stream to the far end and understands what the far end says of its own: the part of
// RFC 8866 (the text) and RFC 3264 (offer and answer) that a telephone call needs, and nothing else.
//
// The trunk reads an INVITE's body with [Parse] and answers with [Answer]; when the INVITE came without a body, or when
// we are the caller, it sends [Offer] and reads the reply with [Accept]. All four are pure: bytes and values in, bytes
// and values out. What came from outside is bounded in size, never trusted to be complete, and never makes us panic.
//
// We speak PCMU and PCMA at 8,000 Hz with telephone-event beside them, over RTP, or over SRTP with the keys of a=crypto lines
// (RFC 4568). [Secure] says which: what must be encrypted is never agreed on in clear ([ErrClear]), and a call that is
// encrypted never loses that again. A peer that wants SRTP where we want none is told so by [ErrSecure]; one that offers
// neither codec by media.ErrNoCodec.
package sdp
