// Package operator is an operator without a browser: it signs in, passes the line check, waits for calls, answers or
// declines them, talks and listens, all over the same API, socket and WebRTC that the desk's page uses. "holdfast operator", the end-to-end
// stories and the benchmarks are made of it.
//
// [Dial] returns an operator who is available; the methods are what a person does at the desk, and Events tells what the
// desk shows. [Run] is an operator who acts by rules given beforehand.
//
// The microphone is on during the line check and in calls only: between them no packet is sent. When the socket breaks,
// the operator comes back by itself with the duty's secret, as the page does; Drop breaks socket and audio on purpose, the way
// a laptop's lid does, and stays away until Resume.
package operator
