package api

import "holdfast/tenants"

// rule says who may use an operation.
type rule struct {
	open  bool         // without a token; one that is sent and valid still says who asks
	least tenants.Role // else: at least this role
	scope scope        // of what operators may use: how one who answers some accounts only is held to them
}

// scope says how an operation keeps an operator from what belongs to accounts that are not theirs. Whoever leads sees all.
type scope string

const (
	byAddress scope = "address" // the account is in the address, and the guard looks
	byRow     scope = "row"     // the handler leaves out, or does not find, what belongs to other accounts
	ofNone    scope = "none"    // it shows and changes nothing of any account
)

// rules is who may do what, by operationId of the contract: the one table. An operation that is missing here, or that is for
// operators and has no scope, is refused for everybody, and a test fails.
var rules = map[string]rule{
	"signIn":         {open: true},
	"refresh":        {open: true},
	"forgotPassword": {open: true},
	"enterByLink":    {open: true},
	"enter":          {open: true}, // a link stands for the password
	"postTicket":     {open: true}, // bearer token or duty secret: the handler asks for one of them
	"signOut":        {least: tenants.RoleOperator, scope: ofNone},
	"getMe":          {least: tenants.RoleOperator, scope: ofNone},

	// Whoever answers calls may look up what was called and said before, and take care of messages.
	"listCalls":         {least: tenants.RoleOperator, scope: byRow},
	"getCall":           {least: tenants.RoleOperator, scope: byRow},
	"listVoicemails":    {least: tenants.RoleOperator, scope: byRow},
	"getVoicemail":      {least: tenants.RoleOperator, scope: byRow},
	"patchVoicemail":    {least: tenants.RoleOperator, scope: byRow},
	"getVoicemailAudio": {least: tenants.RoleOperator, scope: byRow},
	"listMessages":      {least: tenants.RoleOperator, scope: byRow},
	"postMessage":       {least: tenants.RoleOperator, scope: byRow},
	"getMessage":        {least: tenants.RoleOperator, scope: byRow},
	"patchMessage":      {least: tenants.RoleOperator, scope: byRow},
	"listAccounts":      {least: tenants.RoleOperator, scope: byRow},
	"getAccount":        {least: tenants.RoleOperator, scope: byAddress},
	"getOnCall":         {least: tenants.RoleOperator, scope: byAddress},
	"listDirectory":     {least: tenants.RoleOperator, scope: byAddress},
	"listOperators":     {least: tenants.RoleOperator, scope: ofNone},
	"getQueue":          {least: tenants.RoleOperator, scope: byRow},
	"getActivation":     {least: tenants.RoleOperator, scope: ofNone},

	// Schedules are read by whoever answers; overrides and notes also ask for the right to set them.
	"listSchedules":  {least: tenants.RoleOperator, scope: byAddress},
	"getSchedule":    {least: tenants.RoleOperator, scope: byAddress},
	"getTimeline":    {least: tenants.RoleOperator, scope: byAddress},
	"listNotes":      {least: tenants.RoleOperator, scope: byAddress},
	"postNote":       {least: tenants.RoleOperator, scope: byAddress},
	"deleteNote":     {least: tenants.RoleOperator, scope: byAddress},
	"postOverride":   {least: tenants.RoleOperator, scope: byAddress},
	"deleteOverride": {least: tenants.RoleOperator, scope: byAddress},
	"getCalendar":    {open: true}, // the token of a feed: the handler asks for it

	"postSchedulePreview": {least: tenants.RoleOperator, scope: byAddress},
	"postSchedule":        {least: tenants.RoleSupervisor},
	"patchSchedule":       {least: tenants.RoleSupervisor},
	"deleteSchedule":      {least: tenants.RoleSupervisor},
	"listFeeds":           {least: tenants.RoleSupervisor},
	"postFeed":            {least: tenants.RoleSupervisor},
	"deleteFeed":          {least: tenants.RoleSupervisor},

	"listCallEvents": {least: tenants.RoleSupervisor},
	"listNotices":    {least: tenants.RoleSupervisor},
	"listAlarms":     {least: tenants.RoleSupervisor},
	"getRoute":       {least: tenants.RoleSupervisor},
	"getForwarding":  {least: tenants.RoleSupervisor},
	"postForwarding": {least: tenants.RoleSupervisor},

	// Whoever leads a shift sees all of the directory; what stands in it is the tenant's data, and an administrator's to change
	// and to take away.
	"listPeople":    {least: tenants.RoleSupervisor},
	"getPerson":     {least: tenants.RoleSupervisor},
	"postPerson":    {least: tenants.RoleAdmin},
	"patchPerson":   {least: tenants.RoleAdmin},
	"deletePerson":  {least: tenants.RoleAdmin},
	"getPeopleFile": {least: tenants.RoleAdmin},
	"importPeople":  {least: tenants.RoleAdmin},

	"listUsers":        {least: tenants.RoleAdmin},
	"postUser":         {least: tenants.RoleAdmin},
	"getUser":          {least: tenants.RoleAdmin},
	"patchUser":        {least: tenants.RoleAdmin},
	"postInvitation":   {least: tenants.RoleAdmin},
	"deleteInvitation": {least: tenants.RoleAdmin},
	"listTelephones":   {least: tenants.RoleAdmin},
	"getTelephone":     {least: tenants.RoleAdmin},
	"putTelephone":     {least: tenants.RoleAdmin},
	"deleteTelephone":  {least: tenants.RoleAdmin},

	"postActivation": {least: tenants.RoleAdmin},

	// What callers meet is an administrator's to change; whoever answers them may see and hear it.
	"getGreeting":    {least: tenants.RoleOperator, scope: byAddress},
	"getTenant":      {least: tenants.RoleOperator, scope: ofNone},
	"postAccount":    {least: tenants.RoleAdmin},
	"patchAccount":   {least: tenants.RoleAdmin},
	"deleteAccount":  {least: tenants.RoleAdmin},
	"listArchived":   {least: tenants.RoleAdmin},
	"restoreAccount": {least: tenants.RoleAdmin},
	"putGreeting":    {least: tenants.RoleAdmin},
	"deleteGreeting": {least: tenants.RoleAdmin},
	"patchTenant":    {least: tenants.RoleAdmin},

	"listTenants":  {least: tenants.RolePlatform},
	"listNumbers":  {least: tenants.RolePlatform},
	"postNumber":   {least: tenants.RolePlatform},
	"deleteNumber": {least: tenants.RolePlatform},

	"listTrunks":  {least: tenants.RolePlatform},
	"postTrunk":   {least: tenants.RolePlatform},
	"deleteTrunk": {least: tenants.RolePlatform},
}
