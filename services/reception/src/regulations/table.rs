//! The table of rules, each with its regulation, which determines its first day.

use super::Source::{Local, Remembered, Verified};
use super::Step::{Approval, Settlement, Signature};
use super::{Regulation, Rule, Source, Stands, checks};

/// A rule of the regulation of 2013, which is still in force.
const fn rules_2013(article: u8, source: Source) -> Stands {
    Stands {
        regulation: Regulation::Receptions2013,
        article,
        until: None,
        source,
    }
}

/// A rule that was replaced by the regulation of 2025.
const fn until_2025(stands: Stands) -> Stands {
    Stands {
        until: Some((2025, 5, 17)),
        ..stands
    }
}

/// A rule of the regulation of 2025, whose article is still to be looked up.
const fn regulations_2025(source: Source) -> Stands {
    Stands {
        regulation: Regulation::Frugality2025,
        article: 0,
        until: None,
        source,
    }
}

const LOCAL: Stands = Stands {
    regulation: Regulation::LocalPractice,
    article: 0,
    until: None,
    source: Local,
};

/// Every rule, in the order of a reception's steps.
pub const RULES: &[Rule] = &[
    Rule {
        id: "LETTER_REQUIRED",
        number: "R2",
        stands: rules_2013(7, Verified),
        step: Approval,
        zh: (
            "无公函的公务活动和来访人员一律不予接待",
            "请补充派出单位的公函",
        ),
        en: (
            "a delegation without a letter is not received",
            "ask its unit for the letter",
        ),
        check: checks::letter_required,
    },
    Rule {
        id: "LETTER_TELLS",
        number: "R1",
        stands: rules_2013(5, Verified),
        step: Approval,
        zh: (
            "公函应告知内容、行程和人员",
            "请补全公函的单位、函号、日期、内容、人数和行程",
        ),
        en: (
            "the letter tells the purpose, the itinerary and the persons",
            "complete unit, number, date, content, persons and itinerary of the letter",
        ),
        check: checks::letter_tells,
    },
    Rule {
        id: "PURPOSE_OFFICIAL",
        number: "R21",
        stands: rules_2013(6, Verified),
        step: Approval,
        zh: (
            "只接待会议、考察调研、执行任务、学习交流、检查指导、请示汇报等公务活动",
            "请填写公务事由；休假、探亲、旅游不得接待",
        ),
        en: (
            "only official purposes are received",
            "give the official purpose; private travel has none",
        ),
        check: checks::purpose_official,
    },
    Rule {
        id: "APPROVAL_BEFORE_ACTIVITY",
        number: "R3",
        stands: rules_2013(7, Verified),
        step: Approval,
        zh: ("接待须事前审批", "审批日期不得晚于首项公务活动"),
        en: (
            "a reception is approved before its first activity",
            "the approval must not come after the first activity",
        ),
        check: checks::approval_before_activity,
    },
    Rule {
        id: "APPROVER_IS_ANOTHER",
        number: "R3",
        stands: rules_2013(7, Verified),
        step: Approval,
        zh: ("审批人与申请人不得为同一人", "请由他人审批"),
        en: (
            "the approver is not the applicant",
            "let someone else approve it",
        ),
        check: checks::approver_is_another,
    },
    Rule {
        id: "ONE_LETTER_ONE_RECEPTION",
        number: "R19",
        stands: LOCAL,
        step: Approval,
        zh: ("一函一事、一事一结", "同一公函已有接待，请合并或更正函号"),
        en: (
            "one letter makes one reception and one settlement",
            "another reception has this letter: join them, or correct the number",
        ),
        check: checks::one_letter_one_reception,
    },
    Rule {
        id: "BUSINESS_APART",
        number: "R23",
        stands: rules_2013(22, Remembered),
        step: Approval,
        zh: (
            "商务招商接待单独管理，不用于公务人员",
            "请改正接待性质或来宾职级",
        ),
        en: (
            "business receptions are kept apart from those of officials",
            "correct the nature or the ranks",
        ),
        check: checks::business_apart,
    },
    Rule {
        id: "NO_SEE_OFF_AT_GATES",
        number: "R6",
        stands: until_2025(rules_2013(8, Remembered)),
        step: Approval,
        zh: ("不得在机场、车站、码头和辖区边界组织迎送", "请取消该项迎送"),
        en: (
            "nobody is met or seen off at airports, stations, ports or borders",
            "take it off the programme",
        ),
        check: checks::no_see_off_at_gates,
    },
    Rule {
        id: "NO_SEE_OFF_AT_GATES",
        number: "R6",
        stands: regulations_2025(Verified),
        step: Approval,
        zh: (
            "不得在机场、车站、码头和辖区边界组织迎送，不得跨地区迎送",
            "请取消该项迎送",
        ),
        en: (
            "nobody is met or seen off at airports, stations, ports or borders",
            "take it off the programme",
        ),
        check: checks::no_see_off_at_gates,
    },
    Rule {
        id: "NO_POMP",
        number: "R7",
        stands: rules_2013(8, Remembered),
        step: Approval,
        zh: (
            "不得张贴悬挂标语横幅、组织群众迎送、铺设迎宾地毯，主要负责人不得参加迎送",
            "请取消该项安排",
        ),
        en: (
            "no banners, crowds or carpets; the head meets nobody",
            "take it off",
        ),
        check: checks::no_pomp,
    },
    Rule {
        id: "COMPANIONS_FEW",
        number: "R7",
        stands: LOCAL,
        step: Approval,
        zh: (
            "严格控制陪同人数，不得层层多人陪同",
            "10人以内陪同不超过3人，超过10人不超过三分之一",
        ),
        en: (
            "companions are few",
            "3 for up to ten guests, else a third of their number",
        ),
        check: checks::companions_few,
    },
    Rule {
        id: "SUITE_BY_RANK",
        number: "R8",
        stands: rules_2013(9, Remembered),
        step: Approval,
        zh: (
            "住宿以标准间为主，省部级干部可以安排普通套间",
            "请改订标准间或单间",
        ),
        en: (
            "suites are for vice-ministers and above",
            "take a standard or single room",
        ),
        check: checks::suite_by_rank,
    },
    Rule {
        id: "LODGING_CAP",
        number: "R8",
        stands: rules_2013(9, Remembered),
        step: Approval,
        zh: ("住宿不得超过差旅住宿费标准", "请改订标准以内的房间"),
        en: (
            "lodging keeps within the standard for travel",
            "take a room within the standard",
        ),
        check: checks::lodging_cap,
    },
    Rule {
        id: "NO_TOILETRIES",
        number: "R8",
        stands: rules_2013(9, Remembered),
        step: Approval,
        zh: ("不得额外配发洗漱用品", "请取消配发"),
        en: (
            "no toiletries are handed out beyond what the room has",
            "take it off",
        ),
        check: checks::no_toiletries,
    },
    Rule {
        id: "LODGING_PAID_BY_GUESTS",
        number: "R9",
        stands: rules_2013(9, Remembered),
        step: Approval,
        zh: ("住宿费回本单位凭据报销", "请由来宾所在单位承担"),
        en: (
            "lodging is paid for by the guests' own unit",
            "let their unit pay",
        ),
        check: checks::lodging_paid_by_guests,
    },
    Rule {
        id: "ONE_WORKING_MEAL",
        number: "R10",
        stands: rules_2013(10, Remembered),
        step: Approval,
        zh: (
            "确因工作需要可以安排工作餐一次",
            "其余用餐请由接待对象自行解决",
        ),
        en: (
            "one working meal may be given",
            "let the guests pay for the others",
        ),
        check: checks::one_working_meal,
    },
    Rule {
        id: "MEAL_COMPANIONS",
        number: "R11",
        stands: rules_2013(10, Verified),
        step: Approval,
        zh: (
            "接待对象在10人以内的，陪餐人数不得超过3人；超过10人的，不得超过接待对象人数的三分之一",
            "请减少陪餐人员",
        ),
        en: (
            "up to ten guests eat with at most 3 hosts, more with a third of their number",
            "let fewer eat with them",
        ),
        check: checks::meal_companions,
    },
    Rule {
        id: "NO_CIGARETTES",
        number: "R12",
        stands: until_2025(rules_2013(10, Verified)),
        step: Approval,
        zh: ("工作餐不得提供香烟", "请取消香烟"),
        en: ("no cigarettes are offered", "leave them out"),
        check: checks::no_cigarettes,
    },
    Rule {
        id: "NO_CIGARETTES",
        number: "R13",
        stands: regulations_2025(Verified),
        step: Approval,
        zh: ("工作餐不得提供香烟", "请取消香烟"),
        en: ("no cigarettes are offered", "leave them out"),
        check: checks::no_cigarettes,
    },
    Rule {
        id: "NO_PREMIUM_LIQUOR",
        number: "R12",
        stands: until_2025(rules_2013(10, Verified)),
        step: Approval,
        zh: ("工作餐不得提供高档酒水", "请取消高档酒水"),
        en: ("no expensive liquor is offered", "leave it out"),
        check: checks::no_premium_liquor,
    },
    Rule {
        id: "NO_ALCOHOL",
        number: "R13",
        stands: regulations_2025(Verified),
        step: Approval,
        zh: ("工作餐不上酒", "请取消酒水"),
        en: ("no alcohol is offered", "leave it out"),
        check: checks::no_alcohol,
    },
    Rule {
        id: "NO_DELICACIES",
        number: "R12",
        stands: until_2025(rules_2013(10, Verified)),
        step: Approval,
        zh: (
            "不得提供鱼翅、燕窝等高档菜肴和用野生保护动物制作的菜肴",
            "请改为家常菜",
        ),
        en: (
            "no shark fin, swallow nest or protected wildlife is served",
            "serve ordinary dishes",
        ),
        check: checks::no_delicacies,
    },
    Rule {
        id: "NO_DELICACIES",
        number: "R13",
        stands: regulations_2025(Verified),
        step: Approval,
        zh: ("工作餐不得提供高档菜肴", "请改为家常菜"),
        en: ("no expensive dishes are served", "serve ordinary dishes"),
        check: checks::no_delicacies,
    },
    Rule {
        id: "NO_PRIVATE_CLUB",
        number: "R12",
        stands: rules_2013(10, Verified),
        step: Approval,
        zh: ("不得使用私人会所、高消费餐饮场所", "请更换场所"),
        en: (
            "no private clubs or expensive restaurants are used",
            "choose another place",
        ),
        check: checks::no_private_club,
    },
    Rule {
        id: "MEAL_STANDARD",
        number: "R16",
        stands: rules_2013(13, Remembered),
        step: Approval,
        zh: ("用餐不得超过当地会议用餐标准", "请按本单位的餐标安排"),
        en: (
            "meals keep within the office's standard",
            "keep to the standard in the settings",
        ),
        check: checks::meal_standard,
    },
    Rule {
        id: "VEHICLES_FEW",
        number: "R14",
        stands: rules_2013(11, Remembered),
        step: Approval,
        zh: ("集中乘车，控制随行车辆", "请减少车辆"),
        en: ("guests go together, in few vehicles", "take fewer"),
        check: checks::vehicles_few,
    },
    Rule {
        id: "TRAFFIC_UNDISTURBED",
        number: "R14",
        stands: rules_2013(11, Remembered),
        step: Approval,
        zh: ("不得违规使用警车、交通管控，不得清场闭馆", "请取消该项安排"),
        en: ("no police escort, and no place is closed", "take it off"),
        check: checks::traffic_undisturbed,
    },
    Rule {
        id: "NO_TOURS",
        number: "R20",
        stands: rules_2013(16, Remembered),
        step: Approval,
        zh: ("不得组织旅游和与公务活动无关的参观", "请取消该项活动"),
        en: ("there is no sightseeing", "take it off the programme"),
        check: checks::no_tours,
    },
    Rule {
        id: "NO_ENTERTAINMENT",
        number: "R20",
        stands: rules_2013(16, Remembered),
        step: Approval,
        zh: ("不得安排营业性娱乐、健身活动", "请取消该项活动"),
        en: (
            "there is no entertainment or fitness",
            "take it off the programme",
        ),
        check: checks::no_entertainment,
    },
    Rule {
        id: "NO_PERFORMANCES",
        number: "R20",
        stands: rules_2013(16, Remembered),
        step: Approval,
        zh: ("不得安排专场文艺演出", "请取消该项活动"),
        en: (
            "there are no performances for the guests",
            "take it off the programme",
        ),
        check: checks::no_performances,
    },
    Rule {
        id: "NO_GIFTS",
        number: "R20",
        stands: rules_2013(16, Remembered),
        step: Approval,
        zh: (
            "不得以任何名义赠送礼金、有价证券、纪念品和土特产品",
            "请取消礼品",
        ),
        en: ("no gifts are given", "give none"),
        check: checks::no_gifts,
    },
    Rule {
        id: "COST_CATEGORY",
        number: "R15",
        stands: rules_2013(12, Verified),
        step: Signature,
        zh: (
            "接待费只列支规定项目，不得列支应由接待对象承担的差旅、会议、培训等费用",
            "请改正费用类别，或删去该项",
        ),
        en: (
            "only the listed kinds of costs are paid",
            "correct the category, or leave the line out",
        ),
        check: checks::cost_category,
    },
    Rule {
        id: "HOST_PAYS",
        number: "R15",
        stands: rules_2013(12, Verified),
        step: Signature,
        zh: ("接待费不得向下级单位、企业、个人转嫁", "请由接待单位承担"),
        en: (
            "the host unit pays, and nobody else",
            "let the host unit pay",
        ),
        check: checks::host_pays,
    },
    Rule {
        id: "YEAR_BUDGET",
        number: "R15",
        stands: LOCAL,
        step: Approval,
        zh: (
            "接待费全部纳入预算，总额控制",
            "本年度接待费已超预算，请核减",
        ),
        en: (
            "the receptions of a year keep within the budget",
            "the year's budget is exceeded: spend less",
        ),
        check: checks::year_budget,
    },
    Rule {
        id: "LIST_SIGNED_AFTER_END",
        number: "R4",
        stands: rules_2013(7, Verified),
        step: Signature,
        zh: (
            "公务活动结束后如实填写接待清单，由相关负责人审签",
            "审签日期不得早于活动结束",
        ),
        en: (
            "the list is signed after the last activity",
            "sign it when all is over",
        ),
        check: checks::list_signed_after_end,
    },
    Rule {
        id: "LIST_NAMES_GUESTS",
        number: "R5",
        stands: rules_2013(7, Verified),
        step: Signature,
        zh: ("接待清单包括接待对象的单位、姓名和职务", "请补全接待对象"),
        en: (
            "the list names each guest's unit, name and post",
            "complete the guests",
        ),
        check: checks::list_names_guests,
    },
    Rule {
        id: "LIST_TELLS_ACTIVITIES",
        number: "R5",
        stands: rules_2013(7, Verified),
        step: Signature,
        zh: ("接待清单包括公务活动项目、时间、场所", "请补全公务活动"),
        en: (
            "the list tells what was done, when and where",
            "complete the activities",
        ),
        check: checks::list_tells_activities,
    },
    Rule {
        id: "LIST_TELLS_COSTS",
        number: "R5",
        stands: rules_2013(7, Verified),
        step: Signature,
        zh: (
            "接待清单包括费用",
            "请填写费用；没有费用的填写金额为零的一项",
        ),
        en: (
            "the list tells the costs",
            "enter them; if there were none, a line of zero",
        ),
        check: checks::list_tells_costs,
    },
    Rule {
        id: "LIST_NAMES_COMPANIONS",
        number: "R5",
        stands: regulations_2025(Verified),
        step: Signature,
        zh: ("接待清单包括陪同人员", "请补全陪同人员的姓名、单位和职务"),
        en: ("the list names the companions", "complete the companions"),
        check: checks::list_names_companions,
    },
    Rule {
        id: "SETTLEMENT_PAPERS",
        number: "R17",
        stands: rules_2013(14, Remembered),
        step: Settlement,
        zh: (
            "报销凭证包括财务票据、派出单位公函、审批和接待清单",
            "请补全凭证",
        ),
        en: (
            "voucher, letter, approval and list are there",
            "complete the papers",
        ),
        check: checks::settlement_papers,
    },
    Rule {
        id: "SETTLEMENT_AMOUNT",
        number: "R17",
        stands: rules_2013(14, Remembered),
        step: Settlement,
        zh: ("结算金额应与接待清单合计一致", "请核对金额"),
        en: ("the amount is the total of the list", "correct the amount"),
        check: checks::settlement_amount,
    },
    Rule {
        id: "NO_CASH",
        number: "R18",
        stands: rules_2013(14, Remembered),
        step: Settlement,
        zh: ("不得以现金方式支付", "请以转账、公务卡或国库集中支付"),
        en: (
            "nothing is paid in cash",
            "pay by transfer, official card or treasury",
        ),
        check: checks::no_cash,
    },
];
