package switchboard

import (
	"encoding/json"
	"errors"
	"fmt"

	"holdfast/services/call"
	"holdfast/services/duty"
	"holdfast/services/journal"
	"holdfast/tenants"
)

// Order is a supervisor's command.
type Order struct {
	Do       string             `json:"do"` // one of the Orders below
	Call     tenants.CallID     `json:"call_id,omitempty"`
	Operator tenants.OperatorID `json:"operator,omitempty"`
	Key      string             `json:"key,omitempty"`
	By       tenants.OperatorID `json:"by"`
	ByName   string             `json:"by_name"`
}

// The orders.
const (
	OrderPause       = "pause-operator"
	OrderResume      = "resume-operator"
	OrderGive        = "give"
	OrderToVoicemail = "to-voicemail" // Call "": everybody who waits
	OrderClearAlarm  = "clear-alarm"
)

// Errors of an order.
var (
	ErrForbidden = errors.New("a supervisor's right is needed")
	ErrNotHere   = errors.New("there is no such call or operator now")
)

// Order carries out a supervisor's command within the actor's tenant, and journals it.
func (b *Switchboard) Order(actor tenants.Actor, o Order) error {
	if !actor.May(tenants.RoleSupervisor) {
		return ErrForbidden
	}
	o.By, o.ByName = actor.User, actor.Name
	if err := b.carryOut(actor, o); err != nil {
		return err
	}
	data, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("encode order: %w", err)
	}
	b.cfg.Journal.Append(journal.Event{
		Tenant: actor.Tenant, Kind: journal.Command, ID: tenants.NewID(), Seq: 1, At: b.cfg.Now(),
		Node: b.cfg.Node, Type: o.Do, Final: true, Data: data,
	})
	return nil
}

func (b *Switchboard) carryOut(actor tenants.Actor, o Order) error {
	switch o.Do {
	case OrderPause:
		return b.orderDuty(actor, o, duty.Event{Type: duty.PauseAsked, Reason: "supervisor", By: actor.Name})
	case OrderResume:
		return b.orderDuty(actor, o, duty.Event{Type: duty.Ready, By: actor.Name})
	case OrderGive:
		d := b.duty(o.Operator)
		if d == nil || d.who.Tenant != actor.Tenant {
			return ErrNotHere
		}
		return b.orderCall(actor, o.Call, call.Event{
			Type: call.Ordered, Order: call.OrderGive, Operator: o.Operator, Name: d.who.Name, By: actor.Name,
		})
	case OrderToVoicemail:
		e := call.Event{Type: call.Ordered, Order: call.OrderVoicemail, By: actor.Name}
		if o.Call != "" {
			return b.orderCall(actor, o.Call, e)
		}
		for _, c := range b.callsOf(actor.Tenant) {
			c.post(e)
		}
		return nil
	case OrderClearAlarm:
		b.cfg.Journal.Clear(actor.Tenant, o.Key)
		return nil
	default:
		return fmt.Errorf("%q is no order: %w", o.Do, ErrNotHere)
	}
}

func (b *Switchboard) orderDuty(actor tenants.Actor, o Order, e duty.Event) error {
	d := b.duty(o.Operator)
	if d == nil || d.who.Tenant != actor.Tenant || !d.post(e) {
		return ErrNotHere
	}
	return nil
}

func (b *Switchboard) orderCall(actor tenants.Actor, id tenants.CallID, e call.Event) error {
	for _, c := range b.callsOf(actor.Tenant) {
		if c.id == id && c.post(e) {
			return nil
		}
	}
	return ErrNotHere
}

// callsOf is the live calls of a tenant; the tenant of a call is written before it is registered.
func (b *Switchboard) callsOf(tenant tenants.TenantID) []*liveCall {
	b.mu.Lock()
	defer b.mu.Unlock()
	var calls []*liveCall
	for _, c := range b.calls {
		if c.tenant == tenant {
			calls = append(calls, c)
		}
	}
	return calls
}
