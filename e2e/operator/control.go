package operator

import (
	"context"
	"fmt"

	"holdfast/tenants"
	"holdfast/web/live"
)

// Hold lets the caller wait.
func (o *Operator) Hold(ctx context.Context) error {
	return o.control(ctx, live.Command{Do: live.DoHold})
}

// Back is with the caller again.
func (o *Operator) Back(ctx context.Context) error {
	return o.control(ctx, live.Command{Do: live.DoResume})
}

// DialOut asks somebody outside into the call; an error that wraps ErrProblem names the code of a refusal.
func (o *Operator) DialOut(ctx context.Context, number string) error {
	return o.control(ctx, live.Command{Do: live.DoDial, Number: number})
}

// Ask asks another operator into the call.
func (o *Operator) Ask(ctx context.Context, other tenants.OperatorID) error {
	return o.control(ctx, live.Command{Do: live.DoDial, Operator: other})
}

// Transfer gives the caller to another operator.
func (o *Operator) Transfer(ctx context.Context, other tenants.OperatorID) error {
	return o.control(ctx, live.Command{Do: live.DoTransfer, Operator: other})
}

// Swap goes from the caller to the third party, or back.
func (o *Operator) Swap(ctx context.Context) error {
	return o.control(ctx, live.Command{Do: live.DoSwap})
}

// Join lets all three hear each other.
func (o *Operator) Join(ctx context.Context) error {
	return o.control(ctx, live.Command{Do: live.DoJoin})
}

// Leave leaves the two others alone with each other.
func (o *Operator) Leave(ctx context.Context) error {
	return o.control(ctx, live.Command{Do: live.DoLeave})
}

// LetGo lets the third party go, answered or not.
func (o *Operator) LetGo(ctx context.Context) error {
	return o.control(ctx, live.Command{Do: live.DoDrop})
}

// Press presses keys on the way to whom the operator speaks with.
func (o *Operator) Press(ctx context.Context, keys string) error {
	return o.control(ctx, live.Command{Do: live.DoDigits, Digits: keys})
}

// control asks something of the present call.
func (o *Operator) control(ctx context.Context, c live.Command) error {
	v := o.View()
	if v.Call == nil {
		return fmt.Errorf("%w: there is no call", ErrProblem)
	}
	c.Call = v.Call.Call
	return o.do(ctx, c)
}
