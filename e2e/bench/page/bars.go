package page

// bar is what a figure has to reach.
type bar struct {
	bench, metric string
	what          string // in words
	most          bool   // the figure must not be above limit; else not below
	limit         float64
	others        string // what other servers do on such a machine
}

// bars are the bars of the product, in the order of the page.
var bars = []bar{
	{"bridge_rtp", "calls_in_time", "Bridged calls, plain RTP, 99 % of packets within 5 ms", false, 1200, "Asterisk 400, FreeSWITCH 200, rtpengine 670"},
	{"bridge_rtp", "share_of_rtpengine_calls", "Bridged calls, plain RTP, of what rtpengine carries in the same run (1 = as many)", false, 1, ""},
	{"bridge_rtp", "ratio_to_floor", "What the least that relays a packet costs, of what ours costs (1 = the same)", false, 0.7, ""},
	{"bridge_rtp", "loss_pct", "Packets lost at the most calls", true, 0.1, ""},
	{"bridge_rtp", "in_time_p50_ms", "Delay added, median", true, 0.3, "Asterisk 0.2–0.4 at half load, 10–60 at full"},
	{"bridge_rtp", "in_time_p99_ms", "Delay added, 99th percentile", true, 5, ""},
	{"bridge_rtp", "kib_per_call", "Memory of a bridged call", true, 60, "Asterisk 430–490"},
	{"bridge_srtp", "calls_in_time", "Calls bridged to operators' SRTP, 99 % of packets within 5 ms", false, 1000, "rtpengine 380–430, pion 270–320"},
	{"bridge_srtp", "share_of_rtpengine_calls", "Calls bridged to SRTP, of what rtpengine carries in the same run (1 = as many)", false, 1, ""},
	{"bridge_srtp", "loss_pct", "Packets lost at the most calls", true, 0.1, ""},
	{"bridge_srtp", "in_time_p50_ms", "Delay added, median", true, 0.3, ""},
	{"bridge_srtp", "in_time_p99_ms", "Delay added, 99th percentile", true, 5, ""},
	{"bridge_srtp", "kib_per_call", "Memory of a bridged call", true, 60, ""},
	{"setup_answer", "calls_per_second_in_time", "Calls answered a second, 99 % of them within 50 ms", false, 1000, "Asterisk 340, FreeSWITCH 120"},
	{"setup_answer", "p99_at_bar_ms", "How long callers wait for the answer at 1,000 calls a second, 99th percentile", true, 50, ""},
	{"setup_answer", "lost_at_bar", "Of those calls, never answered", true, 0, ""},
	{"setup_bridge", "calls_per_second", "Calls a second with a second leg", false, 500, "Asterisk 180, FreeSWITCH 40"},
	{"voicemail", "recordings_per_core", "Voicemails recorded at once", false, 3000, "Asterisk 890, FreeSWITCH over 300"},
	{"voicemail", "loss_pct", "Recorded audio that is missing", true, 0.1, ""},
	{"offer", "offer_p50_ms", "From a caller's INVITE to the operator's offer, median", true, 2, "Asterisk 30, FreeSWITCH 74"},
	{"offer", "offer_p99_ms", "The same, 99th percentile", true, 10, "Asterisk 51, FreeSWITCH 133"},
	{"accept", "audio_p99_ms", "From accepting to hearing each other, 99th percentile", true, 100, ""},
	{"overload", "goodput_of_peak", "Calls still answered in time, of the peak, at 2.5 times of what is borne", false, 0.8, "the others collapse"},
	{"overload", "never_answered", "Callers who never heard of us then", true, 0, ""},
	{"overload", "refused_without_retry_after", "Refusals that do not say when to come again", true, 0, ""},
	{"overload", "live_loss_added_pct", "Audio lost of the calls that talk meanwhile", true, 0.5, ""},
	{"overload", "memory_grown_pct", "Memory grown meanwhile", true, 10, ""},
}

// met says whether a value reaches the bar.
func (b bar) met(value float64) bool {
	if b.most {
		return value <= b.limit
	}
	return value >= b.limit
}
